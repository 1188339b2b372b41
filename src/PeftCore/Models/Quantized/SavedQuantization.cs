using System.Text.Json.Nodes;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>The quantization_config that transformers writes beside weights of bitsandbytes (its BitsAndBytesConfig).</summary>
internal static class SavedQuantization
{
    private const string Field = "quantization_config";

    private static readonly string[] Fields = [Field, "compression_config", "quantization"];

    /// <summary>The configuration of plain weights.</summary>
    public static JsonObject Without(JsonObject config)
    {
        foreach (string field in Fields)
        {
            config.Remove(field);
        }
        return config;
    }

    /// <summary>Describes the weights of a model in its configuration.</summary>
    public static void Write(TransformerModel model, JsonObject config)
    {
        var stored = config[Field] as JsonObject;
        Without(config);
        var format = model.NamedParameters().Select(p => p.Parameter.Value.Format).FirstOrDefault(format => format is not null);
        if (format is null)
        {
            return;
        }
        var fields = Of(format, QuantizedLayers.Skipped(model), ((string?)stored?["quant_method"]) is null or "bitsandbytes" ? stored
            : null);
        int at = config.Select(field => field.Key).TakeWhile(key => string.CompareOrdinal(key, Field) < 0).Count();
        config.Insert(at, Field, fields);
    }

    private static JsonObject Of(QuantizedFormat format, IReadOnlyList<string>? skipped, JsonObject? stored)
    {
        bool isEight = format.QuantizesRows;
        var fields = new JsonObject
        {
            ["_load_in_4bit"] = !isEight,
            ["_load_in_8bit"] = isEight,
            ["bnb_4bit_compute_dtype"] = FloatNames.Of(format.Numbers),
            ["bnb_4bit_quant_storage"] = "uint8",
            ["bnb_4bit_quant_type"] = format.Kind == QuantizedKind.NF4 ? QuantizationOptions.NF4 : QuantizationOptions.FP4,
            ["bnb_4bit_use_double_quant"] = format.DoubleQuantized,
            ["llm_int8_enable_fp32_cpu_offload"] = false,
            ["llm_int8_has_fp16_weight"] = false,
            ["llm_int8_skip_modules"] = skipped is null ? null : new JsonArray([.. skipped.Select(path => JsonValue.Create(path))]),
            ["llm_int8_threshold"] = isEight ? (double)format.Threshold : 6.0,
            ["load_in_4bit"] = !isEight,
            ["load_in_8bit"] = isEight,
            ["quant_method"] = "bitsandbytes",
        };
        // What the weights do not say is kept: how transformers computes with them.
        foreach (string name in (string[])["bnb_4bit_compute_dtype", "llm_int8_enable_fp32_cpu_offload", "llm_int8_threshold"])
        {
            if (stored?[name] is { } value && (name != "llm_int8_threshold" || !isEight))
            {
                fields[name] = value.DeepClone();
            }
        }
        return fields;
    }
}

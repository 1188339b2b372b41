using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Detects quantised weights by their configuration or by their tensors, and refuses them: the error says so, instead of naming a
/// tensor of an unexpected shape.</summary>
public static class Quantization
{
    private static readonly string[] Fields = ["quantization_config", "compression_config", "quantization"];

    // Endings of names that only quantised weights have. The first match decides, so specific endings come before common ones.
    private static readonly (string[] Endings, string Method)[] Marks =
    [
        ([".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4", ".weight.absmax", ".weight.quant_map",
            ".weight.nested_absmax"],
            "bitsandbytes (4 bits)"),
        ([".SCB", ".weight_format"], "bitsandbytes (8 bits)"),
        ([".g_idx"], "GPTQ"),
        ([".qweight", ".qzeros"], "GPTQ or AWQ"),
        ([".weight_packed", ".weight_zero_point", ".weight_shape"], "compressed-tensors"),
        ([".weight_scale_inv"], "FP8"),
        ([".weight_scale", ".weight_scale_2", ".input_scale", ".activation_scale"], "FP8 or compressed-tensors"),
        (["_blocks"], "MXFP4"),
        ([".W_q"], "HQQ"),
        ([".codebooks", ".codes"], "AQLM"),
        ([".Qidxs", ".SU", ".SV"], "QuIP#"),
        ([".q_weight", ".q_scale", ".trellis"], "EXL2 or EXL3"),
        ([".weight._data", ".weight._scale", ".weight._packed"], "Quanto"),
        ([".weight_qdata", ".weight_zero_point"], "TorchAO"),
        ([".weight_scales"], "EETQ"),
        ([".scales"], "MLX, GPTQ or AWQ"),
    ];

    /// <summary>The quantisation that a configuration names, such as "bitsandbytes (4 bits, nf4)"; null without one.</summary>
    public static string? Of(ConfigReader config)
    {
        ArgumentNullException.ThrowIfNull(config);
        string? field = Fields.FirstOrDefault(config.Has);
        if (field is null)
        {
            return null;
        }
        if (config.Raw(field) is not { ValueKind: JsonValueKind.Object })
        {
            throw config.Error(field, $"is {ConfigReader.Describe(config.Raw(field)!.Value)}, expected an object that names the method");
        }
        var settings = config.Object(field);
        bool four = IsTrue(settings, "load_in_4bit"), eight = IsTrue(settings, "load_in_8bit");
        string method = Text(settings, "quant_method") ?? (four || eight ? "bitsandbytes" : field == "quantization" ? "MLX"
            : "a method it does not name");
        var details = new List<string>();
        if (four || eight)
        {
            details.Add(four ? "4 bits" : "8 bits");
        }
        if (four && Text(settings, "bnb_4bit_quant_type") is { } kind)
        {
            details.Add(kind);
        }
        if (settings.Raw("bits") is { ValueKind: JsonValueKind.Number } bits)
        {
            details.Add($"{bits.GetRawText()} bits");
        }
        if ((Text(settings, "fmt") ?? Text(settings, "format")) is { } format)
        {
            details.Add(format);
        }
        return details.Count == 0 ? method : $"{method} ({string.Join(", ", details)})";
    }

    /// <summary>The quantisation that the tensors of a file imply; null for none.</summary>
    public static string? Of(WeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return Find(weights)?.Method;
    }

    /// <summary>Refuses a configuration of quantised weights.</summary>
    internal static void Refuse(ConfigReader config)
    {
        if (Of(config) is { } method && !Mxfp4.IsRead(config))
        {
            throw config.Error(Fields.First(config.Has),
                $"says that the weights are quantised with {method}, which is not supported; {WayOut}, " +
                "and if the weights are plain already, remove the field");
        }
    }

    /// <summary>Refuses quantised weights whose configuration does not say so.</summary>
    internal static void Refuse(WeightSource weights, string modelType)
    {
        if (Find(weights) is { } found && !Mxfp4.IsRead(modelType, found.Tensor))
        {
            throw new BadInputException(
                $"{weights.Place}: the weights are quantised with {found.Method}, as the tensor \"{found.Tensor}\" shows, " +
                $"which is not supported; {WayOut}.");
        }
    }

    private const string WayOut = "take the model as it was before, or convert it once in Python with transformers: " +
        "from_pretrained(dir), dequantize(), save_pretrained(out)";

    private static (string Method, string Tensor)? Find(WeightSource weights)
    {
        string[] names = [.. weights.Names.Order(StringComparer.Ordinal)];
        foreach (var (endings, method) in Marks)
        {
            if (names.FirstOrDefault(name => endings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal))) is { } name)
            {
                return (method, name);
            }
        }
        // No supported model has a matrix of bytes or packed words as a weight.
        string? packed = names.FirstOrDefault(name => name.EndsWith(".weight", StringComparison.Ordinal)
            && weights.Get(name) is { Shape.Length: > 1 } entry
            && (entry.DType.StartsWith("F8", StringComparison.Ordinal) || entry.DType is "U8" or "I8" or "U32" or "I32"));
        if (packed is null)
        {
            return null;
        }
        string dtype = weights.Get(packed).DType;
        return (dtype.StartsWith("F8", StringComparison.Ordinal) ? "FP8" : $"a method of {dtype} matrices", packed);
    }

    private static bool IsTrue(ConfigReader settings, string name) => settings.Raw(name) is { ValueKind: JsonValueKind.True };

    private static string? Text(ConfigReader settings, string name) =>
        settings.Raw(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
}

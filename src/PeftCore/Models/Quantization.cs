using System.Text.Json;
using PeftCore.Io;
using PeftCore.Models.Quantized;

namespace PeftCore.Models;

/// <summary>Detects quantised weights by their configuration or by their tensors, and refuses those of methods that are not read: the error
/// says so, instead of naming a tensor of an unexpected shape.</summary>
internal static class Quantization
{
    private static readonly string[] Fields = ["quantization_config", "compression_config", "quantization"];

    // What a file without a word in its configuration is: read, read if the configuration says how, or not read.
    private enum Reading
    {
        Never,
        IfConfigured,
        Always,
    }

    // Endings of names that only quantised weights have. The first match decides, so specific endings come before common ones.
    private static readonly (string[] Endings, string Method, Reading Reading)[] Marks =
    [
        ([".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4", ".weight.absmax", ".weight.quant_map",
            ".weight.nested_absmax"],
            "bitsandbytes (4 bits)", Reading.Always),
        ([".SCB", ".weight_format"], "bitsandbytes (8 bits)", Reading.Always),
        ([".g_idx"], "GPTQ", Reading.IfConfigured),
        ([".qweight", ".qzeros"], "GPTQ or AWQ", Reading.IfConfigured),
        ([".weight_scale_2"], "NVFP4", Reading.Never),
        ([".weight_packed", ".weight_zero_point", ".weight_shape"], "compressed-tensors", Reading.IfConfigured),
        ([".weight_scale_inv"], "FP8", Reading.Always),
        ([".weight_scale", ".input_scale", ".activation_scale"], "FP8 or compressed-tensors", Reading.Always),
        (["_blocks"], "MXFP4", Reading.Always),
        ([".W_q"], "HQQ", Reading.Never),
        ([".codebooks", ".codes"], "AQLM", Reading.Never),
        ([".Qidxs", ".SU", ".SV"], "QuIP#", Reading.Never),
        ([".q_weight", ".q_scale", ".trellis"], "EXL2 or EXL3", Reading.Never),
        ([".weight._data", ".weight._scale", ".weight._packed"], "Quanto", Reading.Never),
        ([".weight_qdata", ".weight_zero_point"], "TorchAO", Reading.Never),
        ([".weight_scales"], "EETQ", Reading.Never),
        ([".scales"], "MLX, GPTQ or AWQ", Reading.Never),
    ];

    /// <summary>See <see cref="QuantizationOptions.NameOf"/>.</summary>
    public static string? NameOf(ConfigReader config, WeightSource? weights, out bool isRead)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (NameOf(config) is { } name)
        {
            isRead = Of(config) is not null;
            return name;
        }
        var found = weights is null ? null : Find(weights);
        isRead = found?.Reading == Reading.Always;
        return found?.Method;
    }

    /// <summary>What a configuration says of quantised weights; null if it says nothing, or names a method that is not read.</summary>
    /// <exception cref="BadInputException">A field is wrong.</exception>
    public static StoredQuantization? Of(ConfigReader config) =>
        NameOf(config) is { } name ? StoredQuantization.Of(config, name, config.Object(FieldOf(config)!)) : null;

    private static string? FieldOf(ConfigReader config) => Fields.FirstOrDefault(config.Has);

    /// <summary>The quantisation that a configuration names, such as "bitsandbytes (4 bits, nf4)"; null without one.</summary>
    private static string? NameOf(ConfigReader config)
    {
        string? field = FieldOf(config);
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

    /// <summary>What a configuration says of quantised weights; null if it says nothing.</summary>
    /// <exception cref="BadInputException">It names a method that is not read, or a field is wrong.</exception>
    internal static StoredQuantization? Read(ConfigReader config)
    {
        var stored = Of(config);
        return stored is null && NameOf(config) is { } method ? throw config.Error(FieldOf(config)!,
            $"says that the weights are quantised with {method}, which is not supported; {WayOut}, " +
            "and if the weights are plain already, remove the field") : stored;
    }

    /// <summary>The error for a configuration that says that plain weights are quantised.</summary>
    internal static BadInputException OfPlain(ConfigReader config, string method, string place) => config.Error(FieldOf(config)!,
        $"says that the weights are quantised with {method}, but those in {place} are plain; remove the field, or take the files that "
        + "belong to it");

    /// <summary>Refuses quantised weights of a method that is not read, or not without a configuration.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="config">The configuration.</param>
    internal static void Refuse(WeightSource weights, ConfigReader config)
    {
        if (Find(weights) is not { } found || found.Reading == Reading.Always
            || (found.Reading == Reading.IfConfigured && NameOf(config) is not null))
        {
            return;
        }
        throw new BadInputException($"{weights.Place}: the weights are quantised with {found.Method}, as the tensor \"{found.Tensor}\" " +
            (found.Reading == Reading.IfConfigured ? $"shows, but {config.Source} does not say how; add the \"quantization_config\" that "
                + "the model was saved with."
            : $"shows, which is not supported; {WayOut}."));
    }

    private const string WayOut = "take the model as it was before, or convert it once in Python with transformers: " +
        "from_pretrained(dir), dequantize(), save_pretrained(out)";

    private static (string Method, string Tensor, Reading Reading)? Find(WeightSource weights)
    {
        string[] names = [.. weights.Names.Order(StringComparer.Ordinal)];
        foreach (var (endings, method, reading) in Marks)
        {
            if (names.FirstOrDefault(name => endings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal))) is { } name)
            {
                return (method, name, reading);
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
        return (dtype.StartsWith("F8", StringComparison.Ordinal) ? "FP8 without scales" : $"a method of {dtype} matrices", packed,
            Reading.Never);
    }

    private static bool IsTrue(ConfigReader settings, string name) => settings.Raw(name) is { ValueKind: JsonValueKind.True };

    private static string? Text(ConfigReader settings, string name) =>
        settings.Raw(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
}

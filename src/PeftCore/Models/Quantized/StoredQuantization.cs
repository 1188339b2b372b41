using System.Text.Json;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>The methods whose files are read.</summary>
internal enum StoredMethod
{
    /// <summary>NF4, FP4 and INT8.</summary>
    BitsAndBytes,

    /// <summary>Groups of integer codes; Frantar et al. 2022.</summary>
    Gptq,

    /// <summary>Groups of integer codes; Lin et al. 2023.</summary>
    Awq,

    /// <summary>8-bit numbers with scales.</summary>
    Scaled,

    /// <summary>compressed-tensors' packed integers.</summary>
    Packed,

    /// <summary>Microscaling numbers of four bits.</summary>
    Mxfp4,
}

/// <summary>What a config.json says of quantised weights.</summary>
/// <param name="Kind">The method.</param>
/// <param name="Name">The method's name for people.</param>
internal sealed record StoredQuantization(StoredMethod Kind, string Name)
{
    /// <summary>Rows and columns of a block of FP8 numbers, unless the configuration names others.</summary>
    public static readonly (int Rows, int Columns) UsualBlock = (128, 128);

    private static readonly string[] Floats = ["float-quantized", "naive-quantized", "int-quantized"];

    /// <summary>Dtype of the numbers, as config.json names the model's; null if it does not.</summary>
    public DType? Numbers { get; init; }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; init; } = 4;

    /// <summary>Columns of a group; 0 or less for all.</summary>
    public int GroupSize { get; init; }

    /// <summary>Whether GPTQ's zero points are stored as they are, rather than less one.</summary>
    public bool IsGptqV2 { get; init; }

    /// <summary>Rows and columns of a block of FP8 numbers.</summary>
    public (int Rows, int Columns) Block { get; init; } = UsualBlock;

    /// <summary>What bitsandbytes was asked for; null for other methods.</summary>
    public QuantizationOptions? Options { get; init; }

    /// <summary>LLM.int8()'s threshold.</summary>
    public float Threshold => (float)(Options?.Threshold ?? QuantizationOptions.UsualThreshold);

    /// <summary>What a configuration says.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="name">What people are told.</param>
    /// <param name="fields">Its object about the quantisation.</param>
    /// <returns>Null for a method that is not read.</returns>
    /// <exception cref="BadInputException">A field is wrong.</exception>
    public static StoredQuantization? Of(ConfigReader config, string name, ConfigReader fields)
    {
        var numbers = FloatNames.OfModel(config);
        return fields.StringOrNull("quant_method") switch
        {
            "bitsandbytes" or null when IsTrue(fields, "load_in_4bit") || IsTrue(fields, "load_in_8bit") =>
                new StoredQuantization(StoredMethod.BitsAndBytes, name) { Numbers = numbers, Options = BitsAndBytes(fields) },
            "gptq" => Gptq(name, fields, numbers),
            "awq" => Awq(name, fields, numbers),
            "fp8" when fields.String("fmt", "e4m3") is "e4m3" or "float8_e4m3fn" => new(StoredMethod.Scaled, name)
            {
                Numbers = numbers, Bits = 8, Block = BlockOf(fields, "weight_block_size"),
            },
            "fbgemm_fp8" => new(StoredMethod.Scaled, name) { Numbers = numbers, Bits = 8 },
            "modelopt" when fields.StringOrNull("quant_algo") == "FP8" => new(StoredMethod.Scaled, name) { Numbers = numbers, Bits = 8 },
            "mxfp4" => new(StoredMethod.Mxfp4, name) { Numbers = DType.BF16 },
            "compressed-tensors" => CompressedTensors(name, fields, numbers),
            _ => null,
        };
    }

    private static QuantizationOptions BitsAndBytes(ConfigReader fields)
    {
        bool four = fields.Bool("load_in_4bit", false);
        if (four && fields.Bool("load_in_8bit", false))
        {
            throw fields.Error("load_in_4bit", "is true, and \"load_in_8bit\" as well; a model is stored in one of them");
        }
        string[]? skipped = fields.StringsOrNull("llm_int8_skip_modules");
        return four ? new QuantizationOptions
        {
            Type = fields.Choice("bnb_4bit_quant_type", QuantizationOptions.FP4, QuantizationOptions.NF4, QuantizationOptions.FP4),
            UseDoubleQuantization = fields.Bool("bnb_4bit_use_double_quant", false), SkipModules = skipped,
        }
        : new QuantizationOptions
        {
            Type = QuantizationOptions.EightBit, SkipModules = skipped,
            Threshold = fields.Float("llm_int8_threshold", QuantizationOptions.UsualThreshold, min: 0, max: float.MaxValue),
        };
    }

    private static StoredQuantization? Gptq(string name, ConfigReader fields, DType? numbers)
    {
        int bits = fields.Int("bits", 4);
        string layout = fields.String("checkpoint_format", "gptq");
        return bits is not (2 or 3 or 4 or 8) || layout is not ("gptq" or "gptq_v2") ? null : new(StoredMethod.Gptq, name)
        {
            Numbers = numbers, Bits = bits, GroupSize = SizeOf(fields, "group_size", 128), IsGptqV2 = layout == "gptq_v2",
        };
    }

    private static StoredQuantization? Awq(string name, ConfigReader fields, DType? numbers) =>
        (fields.IntOrNull("bits") ?? fields.Int("w_bit", 4)) == 4
            && fields.String("version", "gemm").Equals("gemm", StringComparison.OrdinalIgnoreCase) ? new(StoredMethod.Awq, name)
            {
                Numbers = numbers, GroupSize = SizeOf(fields, fields.Has("group_size") ? "group_size" : "q_group_size", 128),
            }
        : null;

    private static StoredQuantization? CompressedTensors(string name, ConfigReader fields, DType? numbers)
    {
        var groups = fields.ObjectOrNull("config_groups");
        string layout = fields.String("format", "dense");
        List<ConfigReader> weights = groups is null ? []
            : [.. groups.Names.Select(group => groups.Object(group).ObjectOrNull("weights")).OfType<ConfigReader>()];
        if (weights.Count == 0 || fields.String("quantization_status", "compressed") is not ("compressed" or "frozen"))
        {
            return null;
        }
        var first = new StoredQuantization(layout == "pack-quantized" ? StoredMethod.Packed : layout == "mxfp4-pack-quantized"
            ? StoredMethod.Mxfp4 : StoredMethod.Scaled, name)
        {
            Numbers = numbers, Bits = weights[0].Int("num_bits", 8), GroupSize = SizeOf(weights[0], "group_size", 0),
            Block = BlockOf(weights[0], "block_structure"),
        };
        bool same = weights.All(other => other.Int("num_bits", 8) == first.Bits && SizeOf(other, "group_size", 0) == first.GroupSize);
        bool read = first.Kind switch
        {
            StoredMethod.Packed => first.Bits is 2 or 4 or 8,
            StoredMethod.Mxfp4 => true,
            _ => first.Bits == 8 && Floats.Contains(layout),
        };
        return same && read ? first : null;
    }

    private static int SizeOf(ConfigReader fields, string name, int fallback)
    {
        int size = fields.Int(name, fallback, min: -1, max: int.MaxValue / 2);
        return size is 0 && fields.Has(name) ? throw fields.Error(name, "is 0, expected a number of columns, or -1 for all") : size;
    }

    private static (int Rows, int Columns) BlockOf(ConfigReader fields, string name) => Sizes(fields, name) switch
    {
        null => UsualBlock,
        [> 0 and var rows, > 0 and var columns] => (rows, columns),
        _ => throw fields.Error(name, $"is {fields.Raw(name)!.Value.GetRawText()}, expected two positive numbers: a block's rows and columns"),
    };

    // compressed-tensors wrote a block as "128x128" once.
    private static int[]? Sizes(ConfigReader fields, string name) => fields.Raw(name) is { ValueKind: JsonValueKind.String } text
        ? [.. text.GetString()!.Split('x').Select(part => NumberText.TryDigits(part, out int size) ? size : 0)] : fields.IntsOrNull(name);

    private static bool IsTrue(ConfigReader fields, string name) => fields.Raw(name) is { ValueKind: JsonValueKind.True };
}

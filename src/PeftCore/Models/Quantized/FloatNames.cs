using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>torch's names of the dtypes of numbers.</summary>
internal static class FloatNames
{
    private static readonly (DType DType, string Name)[] Names = [(DType.F32, "float32"), (DType.BF16, "bfloat16"), (DType.F16, "float16")];

    /// <summary>The name of a dtype.</summary>
    public static string Of(DType dtype) => Names.First(row => row.DType == dtype).Name;

    /// <summary>The dtype that a field names.</summary>
    /// <exception cref="BadInputException">It is missing, or not the name of one.</exception>
    public static DType Parse(ConfigReader fields, string name)
    {
        string text = fields.Choice(name, null, [.. Names.Select(row => row.Name)]);
        return Names.First(row => row.Name == text).DType;
    }

    /// <summary>The dtype that config.json names as the model's; null for none, or one of another kind.</summary>
    public static DType? OfModel(ConfigReader config)
    {
        string? text = config.StringOrNull("dtype") ?? config.StringOrNull("torch_dtype");
        foreach (var (dtype, name) in Names)
        {
            if (text == name || text == "torch." + name)
            {
                return dtype;
            }
        }
        return null;
    }
}

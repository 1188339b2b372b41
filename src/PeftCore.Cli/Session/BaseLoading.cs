using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>Loads base models and reports their warnings.</summary>
internal static class BaseLoading
{
    /// <summary>Loads a model directory and passes on its warnings, also those before an error.</summary>
    public static TransformerModel Load(string directory, Backend backend, DType? dtype, Action<string>? warn,
        TaskOptions? task = null, QuantizationOptions? quantization = null)
    {
        var warnings = new List<string>();
        try
        {
            return ModelLoader.Load(directory, backend, dtype, warnings, task, quantization);
        }
        finally
        {
            warnings.ForEach(warning => warn?.Invoke(warning));
        }
    }

    /// <summary>The dtype of the frozen weights for --dtype: bf16 converts them; f32 keeps that of the files, which is null here, because
    /// the computation is in F32 anyway. Weights of a GGUF file in blocks become BF16 unless f32 is given.</summary>
    public static DType? StoredAs(TrainOptions options) => options.Dtype == DType.BF16 ? DType.BF16
        : options.Given.PlaceOf("dtype") is not null && options.Model?.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) == true
            ? DType.F32 : null;
}

using PeftCore.Backends;
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
}

using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>Base models with the warnings that loading them gives.</summary>
internal static class BaseLoading
{
    /// <summary>Loads a model directory and passes its warnings on, those before an error too.</summary>
    public static CausalModel Load(string directory, IBackend backend, DType? dtype, Action<string>? warn)
    {
        var warnings = new List<string>();
        try
        {
            return ModelLoader.Load(directory, backend, dtype, warnings);
        }
        finally
        {
            warnings.ForEach(warning => warn?.Invoke(warning));
        }
    }
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Small constant matrices.</summary>
internal static class Constants
{
    /// <summary>I (n, n), times a factor.</summary>
    public static Tensor Identity(IBackend backend, int n, float factor = 1)
    {
        var values = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            values[i * (n + 1)] = factor;
        }
        return backend.From(values, [n, n]);
    }
}

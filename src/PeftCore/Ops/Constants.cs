using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Small constants computed on the device: without an upload a pass that uses them can be captured as a graph.</summary>
internal static class Constants
{
    /// <summary>1, (1).</summary>
    public static Tensor One(Backend backend)
    {
        var one = backend.NewTensor([1]);
        backend.Fill(one, 1);
        return one;
    }

    /// <summary>I (n, n), times a factor.</summary>
    public static Tensor Identity(Backend backend, int n, float factor = 1) => Identities(backend, 1, n, factor).Reshape([n, n]);

    /// <summary>I, count times: (count, n, n), times a factor.</summary>
    public static Tensor Identities(Backend backend, int count, int n, float factor = 1)
    {
        using var scope = new TensorScope();
        var matrices = backend.Zeros([count, n, n]);
        var one = Constants.One(backend);
        // 1·1 along the diagonal, whose elements are n + 1 apart.
        var diagonal = new BatchedProduct(count, n, 1, 1, new(0, 0, 0), new(0, 0, 0), new(n * n, n + 1, 1), factor);
        if (matrices.Count > 0)
        {
            backend.MatMulBatched(diagonal, one, one, matrices);
        }
        return scope.Return(matrices);
    }
}

using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

internal static class ProductChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        from transposeA in new[] { false, true }
        from transposeB in new[] { false, true }
        select ($"product_{(transposeA ? 't' : 'n')}{(transposeB ? 't' : 'n')}",
            (Action<ParityBench>)(bench => Every(bench, transposeA, transposeB)));

    private static void Every(ParityBench bench, bool transposeA, bool transposeB)
    {
        foreach (var (a, b) in new[] { (DType.F32, DType.F32), (DType.F32, DType.BF16), (DType.F32, DType.F16), (DType.BF16, DType.F32),
            (DType.F16, DType.BF16) })
        {
            One(bench, transposeA, transposeB, bench.Size(19, 301), bench.Size(35, 203), bench.Size(21, 515), a, b, false);
        }
        One(bench, transposeA, transposeB, bench.Size(16, 128), bench.Size(16, 256), bench.Size(32, 512), DType.F32, DType.F32, true);
        One(bench, transposeA, transposeB, bench.Size(3, 16), bench.Size(5, 257), bench.Size(600, 5003), DType.F32, DType.F32, true);
        One(bench, transposeA, transposeB, 1, bench.Size(33, 2000), bench.Size(7, 256), DType.F32, DType.BF16, false);
    }

    private static void One(ParityBench bench, bool transposeA, bool transposeB, int m, int n, int k, DType a, DType b, bool accumulate)
    {
        Twin left = bench.Random(transposeA ? [k, m] : [m, k], a), right = bench.Random(transposeB ? [n, k] : [k, n], b);
        var result = bench.Target([m, n], accumulate);
        bench.Run((backend, t) => backend.MatMul(t(left), transposeA, t(right), transposeB, t(result), 0.5f, accumulate));
        bench.Same(result, $"({m}×{k})·({k}×{n}) of {a} and {b}", 5e-6);
    }
}

using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Products of numbers that BF16 represents exactly: rounding the operands changes nothing, so tensor cores must be as accurate as
/// F32.</summary>
internal static class RoundedProductChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        from transposeA in new[] { false, true }
        from transposeB in new[] { false, true }
        select ($"rounded_product_{(transposeA ? 't' : 'n')}{(transposeB ? 't' : 'n')}",
            (Action<ParityBench>)(bench => Every(bench, transposeA, transposeB)));

    /// <summary>Rounded copies of operands must not outlive what they were made from.</summary>
    public static IEnumerable<(string Name, Action<ParityBench> Body)> Invalidation => [("rounded_product_of_what_changed", Changed)];

    private static void Changed(ParityBench bench)
    {
        int size = bench.Size(16, 256);
        Shape shape = [size, size];
        Twin x = Rounded(bench, shape, DType.F32), w = Rounded(bench, shape, DType.BF16), first = bench.Empty(shape),
            second = bench.Empty(shape);
        var third = bench.Empty(shape);
        bench.Run((b, t) =>
        {
            b.MatMul(t(x), false, t(w), true, t(first));
            b.Scale(t(x), 2, t(x), false);
            b.MatMul(t(x), false, t(w), true, t(second));
            b.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(new float[size * size]), t(x));
            b.MatMul(t(x), false, t(w), true, t(third));
        });
        bench.Same(first, "first", 1e-5);
        bench.Same(second, "after scaling", 1e-5);
        bench.Same(third, "after an upload", 1e-5);
    }

    private static void Every(ParityBench bench, bool transposeA, bool transposeB)
    {
        One(bench, transposeA, transposeB, bench.Size(16, 128), bench.Size(16, 256), bench.Size(16, 64), DType.F32, DType.F32, false);
        One(bench, transposeA, transposeB, bench.Size(24, 1000), bench.Size(40, 1096), bench.Size(24, 520), DType.F32, DType.BF16, true);
        One(bench, transposeA, transposeB, bench.Size(16, 2048), bench.Size(32, 2304), bench.Size(16, 1032), DType.F32, DType.BF16, false);
        One(bench, transposeA, transposeB, bench.Size(16, 16), bench.Size(24, 2048), bench.Size(40, 4096), DType.F32, DType.F32, true);
        One(bench, transposeA, transposeB, bench.Size(24, 2056), bench.Size(8, 16), bench.Size(40, 2048), DType.BF16, DType.F32, false);
        One(bench, transposeA, transposeB, bench.Size(24, 264), bench.Size(16, 2048), bench.Size(8, 16), DType.F32, DType.F32, true);
    }

    private static void One(ParityBench bench, bool transposeA, bool transposeB, int m, int n, int k, DType a, DType b, bool accumulate)
    {
        Twin left = Rounded(bench, transposeA ? [k, m] : [m, k], a), right = Rounded(bench, transposeB ? [n, k] : [k, n], b);
        var result = bench.Target([m, n], accumulate);
        bench.Run((backend, t) => backend.MatMul(t(left), transposeA, t(right), transposeB, t(result), 0.5f, accumulate));
        bench.Same(result, $"({m}×{k})·({k}×{n}) of {a} and {b}", 1e-5);
    }

    private static Twin Rounded(ParityBench bench, Shape shape, DType dtype)
    {
        var bf16 = bench.Random(shape, DType.BF16);
        if (dtype == DType.BF16)
        {
            return bf16;
        }
        var f32 = bench.Empty(shape);
        bench.Run((backend, t) => backend.Cast(t(bf16), t(f32)));
        return f32;
    }
}

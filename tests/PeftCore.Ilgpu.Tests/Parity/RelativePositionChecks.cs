using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

internal static class RelativePositionChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("relative_bias", Bias),
        ("relative_gather", bench => Gather(bench, bf16: false, transpose: false)),
        ("relative_gather_transposed", bench => Gather(bench, bf16: false, transpose: true)),
        ("bf16_relative_gather", bench => Gather(bench, bf16: true, transpose: false)),
        ("bf16_relative_gather_transposed", bench => Gather(bench, bf16: true, transpose: true)),
    ];

    private static void Bias(ParityBench bench)
    {
        int buckets = bench.Size(5, 32), heads = bench.Size(3, 12), queries = bench.Size(4, 131), keys = bench.Size(7, 517);
        Twin table = bench.Random([buckets, heads]), y = bench.Empty([1, heads, queries, keys]), dy = bench.Random(y.Cpu.Shape);
        var index = bench.Ints([queries, keys], 0, buckets);
        bench.Run((b, t) => b.RelativeBias(t(table), t(index), t(y)));
        bench.Same(y, "bias", 0);
        foreach (bool accumulate in new[] { false, true })
        {
            var dTable = bench.Target(table.Cpu.Shape, accumulate);
            bench.Run((b, t) => b.RelativeBiasGradient(t(dy), t(index), t(dTable), accumulate));
            bench.Same(dTable, "gradient", 1e-5);
        }
    }

    private static void Gather(ParityBench bench, bool bf16, bool transpose)
    {
        int rows = bench.Size(4, 129), columns = bench.Size(7, 201), width = bench.Size(5, 512);
        Shape xs = [2, 3, rows, width], ys = transpose ? [2, 3, columns, rows] : [2, 3, rows, columns];
        Twin x = bf16 ? bench.Activation(xs) : bench.Random(xs), y = bench.Empty(ys), dy = bench.Random(ys);
        var index = bench.Ints([rows, columns], 0, width);
        bench.Run((b, t) => b.GatherRelative(t(x), t(index), transpose, t(y)));
        bench.Same(y, "gathered", 0);
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bf16 ? bench.Result(xs, accumulate) : bench.Target(xs, accumulate);
            bench.Run((b, t) => b.GatherRelativeGradient(t(dy), t(index), transpose, t(dx), accumulate));
            bench.Same(dx, "gradient", bf16 ? 1e-2 : 1e-5);
        }
    }
}

using PeftCore.Kernels;

namespace PeftCore.Ilgpu.Tests;

internal static class StructuredChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        [("batched_products", Batched), ("block_inverses", Inverses), ("top_k", TopK), ("sparse", Sparse)];

    private static void Batched(ParityBench bench)
    {
        int n = bench.Size(3, 40), m = bench.Size(7, 203), k = bench.Size(5, 33), p = bench.Size(9, 65);
        Twin a = bench.Random([m, n * k]), b = bench.Random([n, k, p]), shared = bench.Random([k, p]), dc = bench.Random([m, n * p]);
        foreach (bool accumulate in new[] { false, true })
        {
            var side = new BatchedProduct(n, m, k, p, new(k, n * k, 1), new(k * p, p, 1), new(p, n * p, 1), 0.7f, accumulate);
            Twin c = bench.Target([m, n * p], accumulate), c2 = bench.Target([m, n * p], accumulate),
                db = bench.Target([n, k, p], accumulate), sum = bench.Target([k, p], accumulate);
            bench.Run((x, t) => x.MatMulBatched(side, t(a), t(b), t(c)));
            bench.Same(c, "side by side", 1e-5);
            bench.Run((x, t) => x.MatMulBatched(side with { B = new(0, p, 1) }, t(a), t(shared), t(c2)));
            bench.Same(c2, "one shared", 1e-5);
            bench.Run((x, t) => x.MatMulBatched(side.GradientOfB(accumulate), t(a), t(dc), t(db)));
            bench.Same(db, "gradient", 1e-5);
            bench.Run((x, t) => x.MatMulBatched((side with { B = new(0, p, 1) }).GradientOfB(accumulate), t(a), t(dc), t(sum)));
            bench.Same(sum, "gradient of one shared", 1e-5);
        }
    }

    private static void Inverses(ParityBench bench)
    {
        int n = bench.Size(3, 20), side = bench.Size(5, 67);
        float[] values = new float[n * side * side];
        var random = new Random(4);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ((float)random.NextDouble() - 0.5f) + (i % (side * side) % (side + 1) == 0 ? side : 0);
        }
        Twin x = bench.Floats(values, [n, side, side]), y = bench.Empty([n, side, side]);
        bench.Run((b, t) => b.InvertBlocks(t(x), t(y)));
        bench.Same(y, "inverse", 2e-5);
    }

    private static void TopK(ParityBench bench)
    {
        int rows = bench.Size(5, 700), columns = bench.Size(9, 256);
        var x = bench.Random([rows, columns]);
        foreach (int k in new[] { 1, 2, columns + 1 })
        {
            var y = bench.Empty([rows, columns]);
            bench.Run((b, t) => b.TopKSoftmax(t(x), k, t(y)));
            bench.Same(y, $"{k} largest", 1e-5);
        }
    }

    private static void Sparse(ParityBench bench)
    {
        int rows = bench.Size(5, 300), inputs = bench.Size(7, 129), outputs = bench.Size(4, 65), each = 3;
        int n = outputs * each;
        Twin x = bench.Random([rows, inputs]), dy = bench.Random([rows, outputs]), values = bench.Random([n]),
            columns = bench.Ints([n], 0, inputs);
        var offsets = bench.Ints([.. Enumerable.Range(0, outputs + 1).Select(r => r * each)], [outputs + 1]);
        Twin order = bench.Ints([.. Enumerable.Range(0, n).Reverse()], [n]),
            rowOf = bench.Ints([.. Enumerable.Range(0, n).Select(e => e / each)], [n]);
        foreach (bool accumulate in new[] { false, true })
        {
            Twin y = bench.Target([rows, outputs], accumulate), dValues = bench.Target([n], accumulate);
            bench.Run((b, t) => b.SparseProduct(t(x), t(values), t(offsets), t(columns), t(order), t(y), accumulate));
            bench.Same(y, "product", 1e-5);
            bench.Run((b, t) => b.SparseGradient(t(dy), t(x), t(rowOf), t(columns), t(dValues), accumulate));
            bench.Same(dValues, "gradient", 2e-5);
        }
    }
}

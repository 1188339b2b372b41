using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

internal sealed class AttentionTests
{
    /// <summary>The options of a case. A bias has 0 heads for none, 1 for one that the heads share, 2 for one a head; Masked sets some of
    /// its entries to −∞, and with them a whole row; Wider is what values have more than queries and keys.</summary>
    public sealed record Features(bool Ranges = false, bool Slopes = false, int BiasHeads = 0, bool Fused = false, bool Accumulate = false,
        bool BiasBatch = false, bool Masked = false, bool Sinks = false, int Wider = 0, float Dropout = 0);

    // Only instructions of this processor can be tested.
    private static readonly SimdLevel[] Levels = [.. Enum.GetValues<SimdLevel>().Where(l => l <= Gemm.Best)];

    private static readonly AttentionShape[] Shapes =
    [
        new(1, 1, 1, 1, 1, 1, 1f, 0f),
        new(2, 5, 5, 2, 1, 3, 0.6f, 0f),
        new(1, 1, 77, 4, 2, 16, 0.25f, 0f),
        new(2, 1, 700, 2, 2, 8, 0.3f, 0f),
        new(1, 70, 70, 2, 2, 64, 0.125f, 0f),
        new(2, 67, 131, 6, 2, 24, 0.2f, 0f),
        new(1, 130, 130, 2, 1, 40, 0.2f, 3f),
        new(1, 9, 4, 1, 1, 8, 0.5f, 0f),
        new(1, 40, 33, 2, 2, 33, 0.5f, 1.5f),
        new(1, 257, 257, 1, 1, 16, 1f, 0f),
        new(1, 200, 450, 2, 1, 20, 0.3f, 0f),
        new(2, 100, 400, 4, 2, 12, 0.3f, 2f),
    ];

    private static readonly Features[] Switches =
    [
        new(),
        new(Fused: true),
        new(Accumulate: true),
        new(Fused: true, Accumulate: true),
        new(Ranges: true),
        new(Ranges: true, Fused: true, BiasHeads: 2),
        new(Slopes: true),
        new(Slopes: true, Ranges: true, BiasHeads: 1, Accumulate: true),
        new(BiasHeads: 2, BiasBatch: true, Masked: true),
        new(BiasHeads: 1, BiasBatch: true, Masked: true, Ranges: true, Sinks: true, Wider: 3),
        new(BiasHeads: 1, Masked: true, Dropout: 0.3f, Accumulate: true),
        new(Sinks: true, Dropout: 0.5f, Fused: true),
        new(BiasHeads: 2, BiasBatch: true, Ranges: true, Sinks: true, Wider: 18, Dropout: 0.2f, Fused: true, Accumulate: true),
    ];

    [Test]
    public void The_reference_gradients_are_the_differences_of_the_reference_loss()
    {
        var shape = new AttentionShape(2, 4, 5, 4, 2, 3, 0.7f, 1.3f) { ValueDim = 2 };
        double[] q = Wide(Numbers.Random(1, 2 * 4 * 4 * 3)), k = Wide(Numbers.Random(2, 2 * 5 * 2 * 3)),
            v = Wide(Numbers.Random(3, 2 * 5 * 2 * 2));
        double[] bias = Wide(Numbers.Random(4, 2 * 4 * 5)), dO = Wide(Numbers.Random(5, 2 * 4 * 4 * 2)), sinks = [0.5, -0.2, 1.1, 0];
        bias[7] = double.NegativeInfinity;
        int[] ranges = MakeRanges(6, shape);
        AttentionReference reference = new(shape, q, k, v, ranges, [0.1, 0.2, 0.3, 0.4], bias)
        {
            BiasStrides = BiasStrides.Of(shape, perBatch: true, perHead: false),
            Sinks = sinks,
            Dropout = new(0.3f, 5, 6),
        };
        reference.Backward(dO);
        foreach ((double[] x, double[] gradient) in new[] { (q, reference.Dq), (k, reference.Dk), (v, reference.Dv),
            (bias, reference.DBias), (sinks, reference.DSinks) })
        {
            for (int i = 0; i < x.Length; i++)
            {
                double old = x[i];
                if (double.IsInfinity(old))
                {
                    Assert.That(gradient[i], Is.Zero);
                    continue;
                }

                x[i] = old + 1e-5;
                double above = reference.Forward(dO);
                x[i] = old - 1e-5;
                double below = reference.Forward(dO);
                x[i] = old;
                Assert.That(gradient[i], Is.EqualTo((above - below) / 2e-5).Within(1e-8));
            }
        }
    }

    [Test]
    public void Outputs_and_gradients_equal_the_definition(
        [ValueSource(nameof(Shapes))] AttentionShape shape, [ValueSource(nameof(Switches))] Features on)
    {
        using WorkerPool pool = new(2);
        Run(shape, on, pool, Levels, true);
    }

    [Test]
    public void Results_are_the_same_bits_for_any_number_of_threads()
    {
        using WorkerPool one = new(1), three = new(3);
        AttentionShape shape = new(2, 130, 150, 4, 2, 32, 0.2f, 0f);
        Features on = new(Ranges: true, BiasHeads: 1);
        float[][] a = Run(shape, on, one, [Gemm.Best], false), b = Run(shape, on, three, [Gemm.Best], false);
        for (int i = 0; i < a.Length; i++)
        {
            Assert.That(b[i], Is.EqualTo(a[i]));
        }
    }

    [Test]
    public void Scores_far_apart_neither_overflow_nor_lose_the_largest()
    {
        using WorkerPool pool = new(1);
        AttentionShape shape = new(1, 3, 300, 1, 1, 4, 1f, 0f);
        float[] q = [.. Enumerable.Repeat(30f, 12)], k = new float[1200], v = Numbers.Random(1, 1200), o = Numbers.Poison(12),
            lse = Numbers.Poison(3);
        for (int j = 0; j < 300; j++)
        {
            Array.Fill(k, j == 290 ? 50f : -50f, 4 * j, 4);
        }

        HeadLayout layout = new(4, 0, 4);
        int[] all = [0, 300, 0, 300, 0, 290];
        Attention.Forward(shape, q, layout, k, layout, v, layout, o, layout, lse, new() { Ranges = all }, pool);
        Assert.That(o[..4], Is.EqualTo(v[1160..1164]));
        Assert.That(lse[0], Is.EqualTo(6000f));
        Assert.That(lse[2], Is.EqualTo(-6000f + Math.Log(290)).Within(1e-3));
    }

    private static float[][] Run(AttentionShape given, Features on, WorkerPool pool, SimdLevel[] levels, bool compare)
    {
        var shape = given with { ValueDim = given.HeadDim + on.Wider };
        int queries = shape.Batch * shape.QueryLength, keys = shape.Batch * shape.KeyLength, dim = shape.HeadDim, valueDim = shape.ValueDim;
        int width = shape.Heads * dim, keyWidth = shape.KeyHeads * dim, valueWidth = shape.KeyHeads * valueDim;
        int[] ranges = on.Ranges ? MakeRanges(9, shape) : [];
        float[] slopes = on.Slopes ? Numbers.Random(10, shape.Heads, 0.3f) : [], sinks = on.Sinks ? Numbers.Random(12, shape.Heads) : [];
        var strides = BiasStrides.Of(shape, on.BiasBatch && shape.Batch > 1, on.BiasHeads == 2 && shape.Heads > 1);
        float[] bias = on.BiasHeads == 0 ? [] : Masked(Numbers.Random(11, (int)strides.Count(shape)), on, shape);
        AttentionDropout dropout = new(on.Dropout, 77, 3UL << 40);
        // One buffer for all of q, k and v needs as many queries as keys; else each has a wide row of its own.
        bool together = on.Fused && queries == keys;
        int row = on.Fused ? width + keyWidth + valueWidth : 0;
        HeadLayout ql = on.Fused ? new(row, 0, dim) : new(width, 0, dim), kl = on.Fused ? new(row, width, dim) : new(keyWidth, 0, dim);
        HeadLayout vl = on.Fused ? new(row, width + keyWidth, valueDim) : new(valueWidth, 0, valueDim);
        HeadLayout ol = on.Fused ? new((shape.Heads * valueDim) + 5, 3, valueDim) : new(shape.Heads * valueDim, 0, valueDim);
        float[] q = Numbers.Random(1, queries * ql.RowStride), k = together ? q : Numbers.Random(2, keys * kl.RowStride),
            v = together ? q : Numbers.Random(3, keys * vl.RowStride);
        float[] dO = Numbers.Random(4, queries * ol.RowStride);
        float[] oldQ = on.Accumulate ? Numbers.Random(5, q.Length) : Numbers.Poison(q.Length);
        float[] oldK = on.Accumulate ? Numbers.Random(6, k.Length) : Numbers.Poison(k.Length);
        float[] oldV = on.Accumulate ? Numbers.Random(7, v.Length) : Numbers.Poison(v.Length);
        float[] oldB = Numbers.Random(8, bias.Length), oldS = Numbers.Random(13, sinks.Length);
        AttentionReference reference = new(
            shape, Wide(Dense(q, ql, queries, shape.Heads, dim)), Wide(Dense(k, kl, keys, shape.KeyHeads, dim)),
            Wide(Dense(v, vl, keys, shape.KeyHeads, valueDim)), ranges, Wide(slopes), Wide(bias))
        {
            BiasStrides = strides,
            Sinks = Wide(sinks),
            Dropout = dropout,
        };
        double[] denseGradient = Wide(Dense(dO, ol, queries, shape.Heads, valueDim));
        if (compare)
        {
            reference.Forward(denseGradient);
            reference.Backward(denseGradient);
        }

        float[][] results = [];
        foreach (var level in levels)
        {
            float[] o = Numbers.Poison(queries * ol.RowStride), lse = Numbers.Poison(queries * shape.Heads),
                delta = Numbers.Poison(queries * shape.Heads);
            Attention.Forward(shape, q, ql, k, kl, v, vl, o, ol, lse, Terms(), pool, level);
            float[] dq = [.. oldQ], dk = together ? dq : [.. oldK], dv = together ? dq : [.. oldV], db = [.. oldB], ds = [.. oldS];
            Attention.Backward(
                shape, q, ql, k, kl, v, vl, o, ol, dO, ol, lse, delta, dq, ql, on.Accumulate, dk, kl, on.Accumulate, dv, vl, on.Accumulate,
                db, ds, Terms(), pool, level);
            results =
            [
                Dense(o, ol, queries, shape.Heads, valueDim), Dense(dq, ql, queries, shape.Heads, dim),
                Dense(dk, kl, keys, shape.KeyHeads, dim), Dense(dv, vl, keys, shape.KeyHeads, valueDim), db, ds, lse,
            ];
            if (!compare)
            {
                continue;
            }

            Numbers.AssertClose(results[0], reference.O, 1e-5, 2e-6, $"{level} o");
            Numbers.AssertClose(lse, reference.Lse, 1e-5, 3e-6, $"{level} lse");
            Numbers.AssertClose(results[1], Plus(reference.Dq, Dense(oldQ, ql, queries, shape.Heads, dim), on.Accumulate), 1e-4, 1e-5,
                $"{level} dq");
            Numbers.AssertClose(results[2], Plus(reference.Dk, Dense(together ? oldQ : oldK, kl, keys, shape.KeyHeads, dim), on.Accumulate),
                1e-4, 1e-5, $"{level} dk");
            Numbers.AssertClose(results[3],
                Plus(reference.Dv, Dense(together ? oldQ : oldV, vl, keys, shape.KeyHeads, valueDim), on.Accumulate),
                1e-4, 1e-5, $"{level} dv");
            Numbers.AssertClose(db, Plus(reference.DBias, oldB, true), 1e-4, 1e-5, $"{level} dbias");
            Numbers.AssertClose(ds, Plus([.. reference.DSinks.Take(ds.Length)], oldS, true), 1e-4, 1e-5, $"{level} dsinks");
            AssertAlone(shape, on, results, (dqOnly, dkOnly, dvOnly, dbOnly) => Attention.Backward(
                shape, q, ql, k, kl, v, vl, o, ol, dO, ol, lse, delta, dqOnly, ql, false, dkOnly, kl, false, dvOnly, vl, false, dbOnly, [],
                Terms(), pool, level),
                [(q.Length, ql, queries, shape.Heads, dim), (k.Length, kl, keys, shape.KeyHeads, dim),
                    (v.Length, vl, keys, shape.KeyHeads, valueDim)], Plus(reference.DBias, oldB, false));
        }

        return results;

        AttentionTerms Terms() => new()
        {
            Ranges = ranges,
            Slopes = slopes,
            Bias = bias,
            BiasStrides = strides,
            Sinks = sinks,
            Dropout = dropout,
        };
    }

    // A third of the keys, and all keys of the second query.
    private static float[] Masked(float[] bias, Features on, AttentionShape shape)
    {
        for (int i = 0; on.Masked && i < bias.Length; i++)
        {
            bias[i] = i % 3 == 1 || i / shape.KeyLength % shape.QueryLength == 1 ? float.NegativeInfinity : bias[i];
        }

        return bias;
    }

    // Each gradient alone is the same as together with the others.
    private static void AssertAlone(
        AttentionShape shape, Features on, float[][] results, Action<float[], float[], float[], float[]> backward,
        (int Length, HeadLayout Layout, int Rows, int Heads, int Dim)[] parts, double[] dBias)
    {
        if (on.Accumulate)
        {
            return;
        }

        for (int only = 0; only < 3; only++)
        {
            float[][] wanted = [[], [], []];
            wanted[only] = Numbers.Poison(parts[only].Length);
            backward(wanted[0], wanted[1], wanted[2], []);
            Assert.That(Dense(wanted[only], parts[only].Layout, parts[only].Rows, parts[only].Heads, parts[only].Dim),
                Is.EqualTo(results[only + 1]), $"part {only}");
        }

        float[] biasAlone = new float[dBias.Length], biasWithQueries = new float[dBias.Length];
        backward([], [], [], biasAlone);
        Numbers.AssertClose(biasAlone, dBias, 1e-4, 1e-5, "dbias alone");
        backward(Numbers.Poison(parts[0].Length), [], [], biasWithQueries);
        Numbers.AssertClose(biasWithQueries, dBias, 1e-4, 1e-5, "dbias with dq");
    }

    private static int[] MakeRanges(int seed, AttentionShape shape)
    {
        Random random = new(seed);
        int[] ranges = new int[2 * shape.Batch * shape.QueryLength];
        for (int i = 0; i < ranges.Length; i += 2)
        {
            ranges[i] = random.Next(shape.KeyLength + 1);
            ranges[i + 1] = random.Next(5) == 0 ? ranges[i] : random.Next(ranges[i], shape.KeyLength + 1);
        }

        return ranges;
    }

    private static float[] Dense(float[] x, HeadLayout layout, int rows, int heads, int dim)
    {
        float[] dense = new float[rows * heads * dim];
        for (int i = 0; i < dense.Length; i++)
        {
            dense[i] = x[(i / (heads * dim) * layout.RowStride) + layout.Offset + (i / dim % heads * layout.HeadStride) + (i % dim)];
        }

        return dense;
    }

    private static double[] Wide(float[] x) => [.. x.Select(v => (double)v)];

    private static double[] Plus(double[] x, float[] old, bool accumulate) => [.. x.Select((v, i) => accumulate ? v + old[i] : v)];
}

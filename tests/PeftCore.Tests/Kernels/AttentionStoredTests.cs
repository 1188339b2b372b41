using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

/// <summary>Attention over keys and values that are stored in BF16, and of one query over many keys.</summary>
internal sealed class AttentionStoredTests
{
    private static readonly SimdLevel[] Levels = [.. Enum.GetValues<SimdLevel>().Where(l => l <= Gemm.Best)];

    // One query and many; heads that share a key head and heads that do not; dimensions that are whole vectors and such that are not.
    private static readonly AttentionShape[] Shapes =
    [
        new(1, 1, 200, 12, 12, 64, 0.125f, 0f),
        new(1, 1, 77, 6, 2, 32, 0.2f, 0f),
        new(3, 1, 131, 8, 2, 80, 0.1f, 2f),
        new(2, 2, 67, 4, 1, 37, 0.2f, 0f),
        new(1, 1, 1, 2, 1, 3, 1f, 0f),
        new(2, 9, 70, 4, 2, 64, 0.125f, 0f),
        new(1, 200, 210, 2, 2, 24, 0.2f, 0f),
    ];

    [Test]
    public void Keys_and_values_in_bf16_give_what_their_numbers_give_in_f32([ValueSource(nameof(Shapes))] AttentionShape shape,
        [Values] bool ranges)
    {
        using WorkerPool pool = new(2);
        int queries = shape.Batch * shape.QueryLength, keys = shape.Batch * shape.KeyLength, width = shape.Heads * shape.HeadDim,
            keyWidth = shape.KeyHeads * shape.HeadDim;
        // Rows have a few columns that belong to no head.
        HeadLayout ql = new(width, 0, shape.HeadDim), kl = new(keyWidth + 6, 4, shape.HeadDim);
        float[] q = Numbers.Random(1, queries * width);
        byte[] k = Numbers.Store(Numbers.Random(2, keys * kl.RowStride), ElementType.BF16, out float[] wideK);
        byte[] v = Numbers.Store(Numbers.Random(3, keys * kl.RowStride), ElementType.BF16, out float[] wideV);
        int[] seen = ranges ? Windows(shape) : [];
        AttentionReference reference = new(shape, Wide(q), Dense(wideK, kl, keys, keyWidth), Dense(wideV, kl, keys, keyWidth), seen, [],
            []);
        reference.Forward(new double[q.Length]);
        foreach (var level in Levels)
        {
            float[] o = Numbers.Poison(q.Length), lse = Numbers.Poison(queries * shape.Heads), o32 = Numbers.Poison(q.Length),
                lse32 = Numbers.Poison(lse.Length);
            Attention.Forward(shape, q, ql, k, kl, v, kl, ElementType.BF16, o, ql, lse, new() { Ranges = seen }, pool, level);
            Attention.Forward(shape, q, ql, wideK, kl, wideV, kl, o32, ql, lse32, new() { Ranges = seen }, pool, level);
            Numbers.AssertClose(o, reference.O, 1e-5, 2e-6, $"{level} o");
            Numbers.AssertClose(lse, reference.Lse, 1e-5, 3e-6, $"{level} lse");
            Assert.That(o, Is.EqualTo(o32), $"{level}: widening is exact");
            Assert.That(lse, Is.EqualTo(lse32), $"{level}: widening is exact");
        }
    }

    [Test]
    public void One_query_has_the_same_bits_for_any_number_of_threads()
    {
        using WorkerPool one = new(1), three = new(3);
        AttentionShape shape = new(1, 1, 300, 8, 2, 64, 0.125f, 0f);
        float[] q = Numbers.Random(1, 512), k = Numbers.Random(2, 300 * 128), v = Numbers.Random(3, 300 * 128), a = new float[512],
            b = new float[512], lse = new float[8];
        HeadLayout ql = new(512, 0, 64), kl = new(128, 0, 64);
        Attention.Forward(shape, q, ql, k, kl, v, kl, a, ql, lse, default, one);
        Attention.Forward(shape, q, ql, k, kl, v, kl, b, ql, lse, default, three);
        Assert.That(b, Is.EqualTo(a));
    }

    [Test]
    public void Half_precision_keys_are_refused()
    {
        using WorkerPool pool = new(1);
        HeadLayout layout = new(4, 0, 4);
        Assert.That(() => Attention.Forward(new(1, 1, 1, 1, 1, 4, 1f, 0f), new float[4], layout, new byte[8], layout, new byte[8], layout,
            ElementType.F16,
            new float[4], layout, new float[1], default, pool),
            Throws.ArgumentException.With.Message.StartsWith("Keys and values are stored in F32 or BF16"));
    }

    private static int[] Windows(AttentionShape shape) =>
    [
        .. Enumerable.Range(0, shape.Batch * shape.QueryLength).SelectMany(row => row % 5 == 3 ? new[] { 2, 2 }
            : [row % 4, Math.Max(row % 4, shape.KeyLength - row % 3)]),
    ];

    private static double[] Dense(float[] x, HeadLayout layout, int rows, int width) =>
        [.. Enumerable.Range(0, rows * width).Select(i => (double)x[i / width * layout.RowStride + layout.Offset + i % width])];

    private static double[] Wide(float[] x) => [.. x.Select(value => (double)value)];
}

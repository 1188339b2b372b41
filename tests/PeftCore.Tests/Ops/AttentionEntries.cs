using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of attention, fused and separate.</summary>
internal static class AttentionEntries
{
    private static readonly string[] SeparateSaves = ["q: *", "k: *", "v: q k bias", "o: q k bias", "lse: *"];

    public static IEnumerable<OpEntry> All()
    {
        yield return Attention("attention", new Variant(), SeparateSaves);
        yield return Attention("attention, grouped queries", new Variant(KeyHeads: 2), SeparateSaves);
        yield return Attention("attention, more keys than queries", new Variant(MoreKeys: 3), SeparateSaves);
        yield return Attention("attention, ranges", new Variant(KeyHeads: 2, Ranges: true), [.. SeparateSaves, "ranges: *"]);
        yield return Attention("attention, ALiBi", new Variant(Slopes: true), SeparateSaves);
        yield return Attention("attention, one bias", new Variant(BiasHeads: 1, Ranges: true), [.. SeparateSaves, "ranges: *", "bias: *"]);
        yield return Attention("attention, a bias a head", new Variant(KeyHeads: 2, BiasHeads: 4), [.. SeparateSaves, "bias: *"]);
        yield return Attention("attention, soft cap", new Variant(SoftCap: 0.8f), SeparateSaves);
        yield return Attention("attention, everything", new Variant(2, 2, true, true, 4, 0.9f), [.. SeparateSaves, "ranges: *", "bias: *"]);
        yield return Attention("attention, heads among other columns", new Variant(Padding: 2), SeparateSaves);
        yield return Fused("attention, fused qkv", new Variant(), ["qkv: *", "o: *", "lse: *"]);
        yield return Fused("attention, fused qkv with grouped queries, ranges and bias",
            new Variant(KeyHeads: 2, Ranges: true, BiasHeads: 1),
            ["qkv: *", "o: *", "lse: *", "ranges: *", "bias: *"]);
        yield return Fused("attention, fused qkv among other columns", new Variant(Padding: 3), ["qkv: *", "o: *", "lse: *"]);
    }

    /// <summary>The options of a case; Padding is columns before, between and after the heads.</summary>
    private sealed record Variant(int KeyHeads = 0, int MoreKeys = 0, bool Ranges = false, bool Slopes = false, int BiasHeads = 0,
        float SoftCap = 0,
        int Padding = 0)
    {
        public AttentionShape Shape(Size size)
        {
            var (batch, queries, heads, dim) = size.Pick((1, 1, 1, 1), (2, 3, 4, 3), (2, 3, 4, 3), (1, 40, 4, 17), (1, 0, 4, 2));
            int keyHeads = KeyHeads == 0 || size == Size.One ? heads : KeyHeads;
            return new AttentionShape(batch, queries, queries + MoreKeys, heads, keyHeads, dim, 0.6f, SoftCap);
        }

        public float[] SlopesOf(AttentionShape s) => Slopes ? Numbers.Random(31, s.Heads, 0.3f) : [];

        /// <summary>Each query attends to some keys; the second one none.</summary>
        public int[] RangesOf(AttentionShape s) => !Ranges ? [] :
            [.. Enumerable.Range(0, s.Batch * s.QueryLength).SelectMany(i => i == 1 ? (int[])[0, 0] : [i % 2, s.KeyLength - i % 3])];

        public int BiasOf(AttentionShape s) => Math.Min(BiasHeads, s.Heads);
    }

    private static OpEntry Attention(string name, Variant variant, string[] saves) => new(name, saves, size =>
    {
        var s = variant.Shape(size);
        int columns = Width(s.Heads), keyColumns = Width(s.KeyHeads), bias = variant.BiasOf(s);
        OpInput[] given =
        [
            OpInput.Of("q", s.Batch, s.QueryLength, columns), OpInput.Of("k", s.Batch, s.KeyLength, keyColumns),
            OpInput.Of("v", s.Batch, s.KeyLength, keyColumns), .. bias == 0 ? []
            : (OpInput[])[OpInput.Of("bias", bias, s.QueryLength, s.KeyLength)],
        ];
        return new OpSample(given, Apply, Reference);

        int Width(int heads) => heads * (s.HeadDim + variant.Padding) + variant.Padding;

        Heads In(Tensor tensor, int heads) => new(tensor, heads, s.HeadDim, variant.Padding, s.HeadDim + variant.Padding);

        Tensor Apply(Tensor[] t) => In(t[0], s.Heads).Attend(In(t[1], s.KeyHeads), In(t[2], s.KeyHeads),
            Options(t[0], s, variant, bias == 0 ? null : t[3]));

        double[] Reference(double[][] v) =>
            Attend(s, variant, Dense(v[0], columns, s.Heads, variant.Padding), Dense(v[1], keyColumns, s.KeyHeads, variant.Padding),
            Dense(v[2], keyColumns, s.KeyHeads, variant.Padding), bias == 0 ? [] : v[3]);

        double[] Dense(double[] x, int width, int heads, int offset) =>
            HeadsOf(x, width, heads, s.HeadDim, offset, s.HeadDim + variant.Padding);
    })
    { Tolerance = 5e-5 };

    /// <summary>q, k and v in one projection: each query head's q, then all k, then all v.</summary>
    private static OpEntry Fused(string name, Variant variant, string[] saves) => new(name, saves, size =>
    {
        var s = variant.Shape(size);
        int dim = s.HeadDim, keys = s.Heads * dim + variant.Padding, values = keys + s.KeyHeads * dim, columns = values + s.KeyHeads * dim +
            variant.Padding;
        int bias = variant.BiasOf(s);
        OpInput[] given = [OpInput.Of("qkv", s.Batch, s.QueryLength, columns), .. bias == 0 ? []
            : (OpInput[])[OpInput.Of("bias", bias, s.QueryLength, s.KeyLength)]];
        return new OpSample(given,
            t => new Heads(t[0], s.Heads, dim).Attend(new Heads(t[0], s.KeyHeads, dim, keys), new Heads(t[0], s.KeyHeads, dim, values),
                Options(t[0], s, variant, bias == 0 ? null : t[1])),
            v => Attend(s, variant, HeadsOf(v[0], columns, s.Heads, dim, 0, dim), HeadsOf(v[0], columns, s.KeyHeads, dim, keys, dim),
                HeadsOf(v[0], columns, s.KeyHeads, dim, values, dim), bias == 0 ? [] : v[1]));
    })
    { Tolerance = 5e-5 };

    private static AttentionOptions Options(Tensor like, AttentionShape s, Variant variant, Tensor? bias)
    {
        int[] ranges = variant.RangesOf(s);
        float[] slopes = variant.SlopesOf(s);
        return new AttentionOptions(s.Scale, variant.Ranges ? like.Backend.From(ranges, [s.Batch, s.QueryLength, 2]) : null, s.SoftCap,
            variant.Slopes ? like.Backend.From(slopes, [s.Heads]) : null, bias);
    }

    private static double[] Attend(AttentionShape s, Variant variant, double[] q, double[] k, double[] v, double[] bias)
    {
        var reference = new AttentionReference(s, q, k, v, variant.RangesOf(s),
            Array.ConvertAll(variant.SlopesOf(s), slope => (double)slope), bias);
        reference.Forward(new double[q.Length]);
        return reference.O;
    }

    /// <summary>The columns of some heads, next to each other.</summary>
    private static double[] HeadsOf(double[] x, int columns, int heads, int dim, int offset, int stride) =>
        [.. x.Chunk(columns)
            .SelectMany(row => Enumerable.Range(0, heads).SelectMany(h => row[(offset + h * stride)..(offset + h * stride + dim)]))];
}

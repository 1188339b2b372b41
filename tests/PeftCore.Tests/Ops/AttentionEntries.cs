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

    private static readonly string[] SinksSave = ["q: *", "k: *", "v: q k bias sinks", "o: q k bias sinks", "lse: *"];

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
        yield return Attention("attention, a bias a batch row", new Variant(BiasHeads: 1, BiasBatch: true), [.. SeparateSaves, "bias: *"]);
        yield return Attention("attention, a bias a batch row and head",
            new Variant(KeyHeads: 2, BiasHeads: 4, BiasBatch: true, Ranges: true), [.. SeparateSaves, "ranges: *", "bias: *"]);
        yield return Attention("attention, sinks", new Variant(KeyHeads: 2, Sinks: true), SinksSave);
        yield return Attention("attention, wide values", new Variant(KeyHeads: 2, Wider: 2),
            ["q: *", "k: *", "v: *", .. SeparateSaves[3..]]);
        yield return Attention("attention, dropout", new Variant(Dropout: 0.4f), SeparateSaves);
        yield return Attention("attention, all that encoders need", new Variant(BiasHeads: 4, BiasBatch: true, Sinks: true, Dropout: 0.3f,
            MoreKeys: 2, Ranges: true), [.. SinksSave, "ranges: *", "bias: *"]);
        yield return Fused("attention, fused qkv with wide values and dropout", new Variant(KeyHeads: 2, Wider: 3, Dropout: 0.4f),
            ["qkv: *", "o: *", "lse: *"]);
        yield return Fused("attention, fused qkv", new Variant(), ["qkv: *", "o: *", "lse: *"]);
        yield return Fused("attention, fused qkv with grouped queries, ranges and bias",
            new Variant(KeyHeads: 2, Ranges: true, BiasHeads: 1),
            ["qkv: *", "o: *", "lse: *", "ranges: *", "bias: *"]);
        yield return Fused("attention, fused qkv among other columns", new Variant(Padding: 3), ["qkv: *", "o: *", "lse: *"]);
    }

    /// <summary>The options of a case; Padding is columns before, between and after the heads.</summary>
    private sealed record Variant(int KeyHeads = 0, int MoreKeys = 0, bool Ranges = false, bool Slopes = false, int BiasHeads = 0,
        float SoftCap = 0,
        int Padding = 0, bool BiasBatch = false, bool Sinks = false, int Wider = 0, float Dropout = 0)
    {
        public AttentionShape Shape(Size size)
        {
            var (batch, queries, heads, dim) = size.Pick((1, 1, 1, 1), (2, 3, 4, 3), (2, 3, 4, 3), (1, 40, 4, 17), (1, 0, 4, 2));
            int keyHeads = KeyHeads == 0 || size == Size.One ? heads : KeyHeads;
            return new AttentionShape(batch, queries, queries + MoreKeys, heads, keyHeads, dim, 0.6f, SoftCap) { ValueDim = dim + Wider };
        }

        public float[] SlopesOf(AttentionShape s) => Slopes ? Numbers.Random(31, s.Heads, 0.3f) : [];

        /// <summary>Each query attends to some keys; the second one none.</summary>
        public int[] RangesOf(AttentionShape s) => !Ranges ? [] :
            [.. Enumerable.Range(0, s.Batch * s.QueryLength).SelectMany(i => i == 1 ? (int[])[0, 0] : [i % 2, s.KeyLength - i % 3])];

        /// <summary>The bias, if there is one, then the sinks.</summary>
        public OpInput[] TermsOf(AttentionShape s)
        {
            int heads = Math.Min(BiasHeads, s.Heads);
            var bias = BiasBatch ? OpInput.Of("bias", s.Batch, heads, s.QueryLength, s.KeyLength)
                : OpInput.Of("bias", heads, s.QueryLength, s.KeyLength);
            return [.. heads == 0 ? [] : (OpInput[])[bias], .. Sinks ? (OpInput[])[OpInput.Of("sinks", s.Heads)] : []];
        }

        /// <summary>The bias and the sinks of what TermsOf gave, null where absent.</summary>
        public (T? Bias, T? Sinks) Split<T>(ReadOnlySpan<T> terms) where T : class =>
            (BiasHeads > 0 ? terms[0] : null, Sinks ? terms[^1] : null);

        public DropoutKey DropoutKey => new(Dropout, 11, 12);
    }

    private static OpEntry Attention(string name, Variant variant, string[] saves) => new(name, saves, size =>
    {
        var s = variant.Shape(size);
        int padding = variant.Padding, columns = Width(s.Heads, s.HeadDim), keyColumns = Width(s.KeyHeads, s.HeadDim),
            valueColumns = Width(s.KeyHeads, s.ValueDim);
        OpInput[] given =
        [
            OpInput.Of("q", s.Batch, s.QueryLength, columns), OpInput.Of("k", s.Batch, s.KeyLength, keyColumns),
            OpInput.Of("v", s.Batch, s.KeyLength, valueColumns), .. variant.TermsOf(s),
        ];
        return new OpSample(given, Apply, Reference);

        int Width(int heads, int dim) => heads * (dim + padding) + padding;

        Heads In(Tensor tensor, int heads, int dim) => new(tensor, heads, dim, padding, dim + padding);

        Tensor Apply(Tensor[] t) => In(t[0], s.Heads, s.HeadDim).Attend(In(t[1], s.KeyHeads, s.HeadDim), In(t[2], s.KeyHeads, s.ValueDim),
            Options(t[0], s, variant, t[3..]));

        double[] Reference(double[][] v) => Attend(s, variant, Dense(v[0], columns, s.Heads, s.HeadDim),
            Dense(v[1], keyColumns, s.KeyHeads, s.HeadDim), Dense(v[2], valueColumns, s.KeyHeads, s.ValueDim), v[3..]);

        double[] Dense(double[] x, int width, int heads, int dim) => HeadsOf(x, width, heads, dim, padding, dim + padding);
    })
    { Tolerance = 5e-5 };

    /// <summary>q, k and v in one projection: each query head's q, then all k, then all v.</summary>
    private static OpEntry Fused(string name, Variant variant, string[] saves) => new(name, saves, size =>
    {
        var s = variant.Shape(size);
        int dim = s.HeadDim, valueDim = s.ValueDim, keys = s.Heads * dim + variant.Padding, values = keys + s.KeyHeads * dim,
            columns = values + s.KeyHeads * valueDim + variant.Padding;
        return new OpSample([OpInput.Of("qkv", s.Batch, s.QueryLength, columns), .. variant.TermsOf(s)],
            t => new Heads(t[0], s.Heads, dim).Attend(new Heads(t[0], s.KeyHeads, dim, keys), new Heads(t[0], s.KeyHeads, valueDim, values),
                Options(t[0], s, variant, t[1..])),
            v => Attend(s, variant, HeadsOf(v[0], columns, s.Heads, dim, 0, dim), HeadsOf(v[0], columns, s.KeyHeads, dim, keys, dim),
                HeadsOf(v[0], columns, s.KeyHeads, valueDim, values, valueDim), v[1..]));
    })
    { Tolerance = 5e-5 };

    private static AttentionOptions Options(Tensor like, AttentionShape s, Variant variant, Tensor[] terms)
    {
        int[] ranges = variant.RangesOf(s);
        float[] slopes = variant.SlopesOf(s);
        var (bias, sinks) = variant.Split<Tensor>(terms);
        return new AttentionOptions(s.Scale, variant.Ranges ? like.Backend.From(ranges, [s.Batch, s.QueryLength, 2]) : null, s.SoftCap,
            variant.Slopes ? like.Backend.From(slopes, [s.Heads]) : null, bias, sinks, variant.DropoutKey);
    }

    private static double[] Attend(AttentionShape s, Variant variant, double[] q, double[] k, double[] v, double[][] terms)
    {
        var (bias, sinks) = variant.Split<double[]>(terms);
        var reference = new AttentionReference(s, q, k, v, variant.RangesOf(s),
            Array.ConvertAll(variant.SlopesOf(s), slope => (double)slope), bias ?? [])
        {
            BiasStrides = BiasStrides.Of(s, variant.BiasBatch && s.Batch > 1, variant.BiasHeads > 1 && s.Heads > 1),
            Sinks = sinks ?? [],
            Dropout = new(variant.Dropout, 11, 12),
        };
        reference.Forward(new double[reference.O.Length]);
        return reference.O;
    }

    /// <summary>The columns of some heads, next to each other.</summary>
    private static double[] HeadsOf(double[] x, int columns, int heads, int dim, int offset, int stride) =>
        [.. x.Chunk(columns)
            .SelectMany(row => Enumerable.Range(0, heads).SelectMany(h => row[(offset + h * stride)..(offset + h * stride + dim)]))];
}

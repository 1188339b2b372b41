using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

internal static class AttentionChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("attention_causal", bench => One(bench, new Case(Dim: bench.Size(8, 64)))),
        ("attention_wide_heads", bench => One(bench, new Case(Heads: 2, KeyHeads: 2, Dim: bench.Size(20, 160)))),
        ("attention_cached_keys", bench => One(bench, new Case(Queries: bench.Size(3, 17), Keys: bench.Size(18, 200),
            Dim: bench.Size(5, 96)))),
        ("attention_bf16_cache", bench => BFloat16Cache(bench)),
        ("attention_ranges", bench => One(bench, new Case(Ranges: Windows, Dim: bench.Size(8, 64)))),
        ("attention_slopes", bench => One(bench, new Case(Slopes: true, Dim: bench.Size(8, 32)))),
        ("attention_bias", bench => One(bench, new Case(BiasHeads: 4, Ranges: Windows, Dim: bench.Size(8, 64)))),
        ("attention_shared_bias", bench => One(bench, new Case(BiasHeads: 1, Dim: bench.Size(8, 64)))),
        ("attention_soft_cap", bench => One(bench, new Case(SoftCap: 0.7f, Dim: bench.Size(8, 64)))),
        ("attention_accumulates", bench => One(bench, new Case(Accumulate: true, Dim: bench.Size(8, 48)))),
        ("attention_bias_a_batch_row", bench => One(bench, new Case(BiasHeads: 4, BiasBatch: true, Masked: true, Dim: bench.Size(8, 64)))),
        ("attention_key_mask", bench => One(bench, new Case(BiasHeads: 1, BiasBatch: true, Masked: true, Ranges: Everything,
            Dim: bench.Size(8, 64)))),
        ("attention_sinks", bench => One(bench, new Case(Sinks: true, BiasHeads: 1, Masked: true, Ranges: Windows,
            Dim: bench.Size(8, 64)))),
        ("attention_wide_values", bench => One(bench, new Case(Wider: bench.Size(7, 64), Accumulate: true, Dim: bench.Size(12, 96)))),
        ("attention_narrow_values", bench => One(bench, new Case(Wider: -bench.Size(7, 64), Dim: bench.Size(12, 192)))),
        ("attention_dropout", bench => One(bench, new Case(Dropout: 0.3f, Ranges: Windows, BiasHeads: 1, Dim: bench.Size(8, 64)))),
        ("attention_fused", bench => Fused(bench, bf16: false)),
        ("bf16_attention_64", bench => One(bench, new Case(Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_128", bench => One(bench, new Case(Dim: bench.Size(16, 128), BFloat16: true))),
        ("bf16_attention_of_one_token", bench => One(bench, new Case(Queries: 1, Keys: bench.Size(9, 129), Dim: bench.Size(8, 128),
            BFloat16: true))),
        ("bf16_attention_of_whole_tiles", bench => One(bench, new Case(Queries: bench.Size(16, 384), Dim: bench.Size(8, 64),
            BFloat16: true))),
        ("bf16_attention_of_many_heads_to_a_key", bench => One(bench, new Case(Heads: 6, KeyHeads: 1, Queries: bench.Size(17, 1031),
            Dim: bench.Size(8, 128), BFloat16: true))),
        ("bf16_attention_windows", bench => One(bench, new Case(Dim: bench.Size(8, 64), Ranges: Windows, Accumulate: true,
            BFloat16: true))),
        ("bf16_attention_windows_128", bench => One(bench, new Case(Dim: bench.Size(8, 128), Ranges: Windows, Accumulate: true,
            BFloat16: true))),
        ("bf16_attention_packed", bench => One(bench, new Case(Queries: bench.Size(19, 700), Dim: bench.Size(8, 64), Ranges: Packed,
            BFloat16: true))),
        ("bf16_attention_to_all", bench => One(bench, new Case(Queries: bench.Size(19, 259), Dim: bench.Size(8, 128), Ranges: Everything,
            BFloat16: true))),
        ("bf16_attention_cached_keys", bench => One(bench, new Case(Queries: bench.Size(3, 70), Keys: bench.Size(18, 300),
            Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_more_queries", bench => One(bench, new Case(Queries: bench.Size(18, 300), Keys: bench.Size(7, 100),
            Dim: bench.Size(8, 128), BFloat16: true))),
        .. from dim in new[] { 32, 48, 80, 96, 160, 256 } from check in BFloat16Cases(dim) select check,
        ("bf16_attention_slopes", bench => One(bench, new Case(Slopes: true, Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_bias", bench => One(bench, new Case(BiasHeads: 4, Ranges: Windows, Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_bias_a_batch_row", bench => One(bench, new Case(BiasHeads: 4, BiasBatch: true, Masked: true,
            Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_sinks", bench => One(bench, new Case(Sinks: true, Ranges: Windows, Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_narrow_values", bench => One(bench, new Case(Wider: -bench.Size(4, 64), Dim: bench.Size(12, 192),
            BFloat16: true))),
        ("bf16_attention_wide_values", bench => One(bench, new Case(Wider: bench.Size(4, 32), BiasHeads: 1, Ranges: Everything,
            Dim: bench.Size(12, 64), BFloat16: true))),
        ("bf16_attention_of_bert", bench => One(bench, new Case(Heads: bench.Size(3, 12), KeyHeads: bench.Size(3, 12),
            Queries: bench.Size(6, 128), Ranges: Everything, Dropout: 0.1f, Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_of_t5", bench => One(bench, new Case(Heads: bench.Size(3, 12), KeyHeads: bench.Size(3, 12),
            Queries: bench.Size(6, 128), Keys: bench.Size(10, 512), BiasHeads: bench.Size(3, 12), Ranges: Everything, Dropout: 0.1f,
            Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_dropout", bench => One(bench, new Case(Dropout: 0.3f, Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_soft_cap", bench => One(bench, new Case(SoftCap: 0.7f, Dim: bench.Size(5, 96), Accumulate: true, BFloat16: true))),
        ("bf16_attention_wide_heads", bench => One(bench, new Case(Heads: 2, KeyHeads: 2, Dim: bench.Size(20, 160), BFloat16: true))),
        ("attention_some_gradients", bench => Some(bench, new Case(Dim: bench.Size(8, 64)))),
        ("bf16_attention_some_gradients", bench => Some(bench, new Case(Dim: bench.Size(8, 64), BFloat16: true))),
        ("bf16_attention_fused", bench => Fused(bench, bf16: true)),
    ];

    // A size of heads in every form of a mask, at odd lengths, with groups of queries to a key that are cut into shares and others that are
    // not.
    private static IEnumerable<(string Name, Action<ParityBench> Body)> BFloat16Cases(int dim) =>
    [
        ($"bf16_attention_{dim}", bench => One(bench, new Case(Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_long", bench => One(bench, new Case(Heads: 6, KeyHeads: 1, Queries: bench.Size(17, 1031),
            Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_windows", bench => One(bench, new Case(Ranges: Windows, Dim: bench.Size(8, dim), Accumulate: true,
            BFloat16: true))),
        ($"bf16_attention_{dim}_packed", bench => One(bench, new Case(Queries: bench.Size(19, 700), Ranges: Packed, Dim: bench.Size(8, dim),
            BFloat16: true))),
        ($"bf16_attention_{dim}_to_all", bench => One(bench, new Case(Queries: bench.Size(19, 259), Ranges: Everything,
            Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_cached_keys", bench => One(bench, new Case(Queries: bench.Size(3, 70), Keys: bench.Size(18, 300),
            Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_many_items", bench => One(bench, new Case(Heads: 20, KeyHeads: 20, Queries: bench.Size(5, 515),
            Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_bias", bench => One(bench, new Case(Queries: bench.Size(5, 131), Keys: bench.Size(9, 203), BiasHeads: 4,
            BiasBatch: true, Masked: true, Ranges: Everything, Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_shared_bias", bench => One(bench, new Case(Queries: bench.Size(6, 260), Keys: bench.Size(10, 390),
            BiasHeads: 1, Slopes: true, Ranges: Everything, Accumulate: true, Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_sinks_and_dropout", bench => One(bench, new Case(Queries: bench.Size(7, 157), Sinks: true, Dropout: 0.2f,
            Ranges: Windows, Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_soft_cap", bench => One(bench, new Case(Queries: bench.Size(7, 157), SoftCap: 0.7f,
            Dim: bench.Size(8, dim), BFloat16: true))),
        ($"bf16_attention_{dim}_some_gradients", bench => Some(bench, new Case(Dim: bench.Size(8, dim), BFloat16: true))),
    ];

    // Tolerances for BF16 tensors: a result is rounded once; for a gradient, its factors and the accumulated value are rounded too.
    private const double Once = 1e-2, Twice = 2e-2;

    private sealed record Case(int Heads = 4, int KeyHeads = 2, int Dim = 8, int Queries = 0, int Keys = 0,
        Func<int, int, int, int[]>? Ranges = null, bool Slopes = false,
        int BiasHeads = 0, float SoftCap = 0, bool Accumulate = false, bool BFloat16 = false, bool BiasBatch = false, bool Masked = false,
        bool Sinks = false, int Wider = 0, float Dropout = 0);

    private static void One(ParityBench bench, Case c)
    {
        int batch = 2, queries = c.Queries > 0 ? c.Queries : bench.Size(19, 197), keys = c.Keys > 0 ? c.Keys : queries;
        var shape = new AttentionShape(batch, queries, keys, c.Heads, c.KeyHeads, c.Dim, 1 / MathF.Sqrt(c.Dim), c.SoftCap)
        {
            ValueDim = c.Dim + c.Wider,
        };
        Shape qs = [batch, queries, c.Heads * c.Dim], ks = [batch, keys, c.KeyHeads * c.Dim];
        Shape os = [batch, queries, c.Heads * shape.ValueDim], vs = [batch, keys, c.KeyHeads * shape.ValueDim];
        Twin q = Numbers(bench, c, qs, 2), k = Numbers(bench, c, ks, 2), v = Numbers(bench, c, vs), dO = Numbers(bench, c, os);
        var o = c.BFloat16 ? bench.Result(os) : bench.Empty(os);
        Twin lse = bench.Empty([batch, c.Heads, queries]), delta = bench.Empty([batch, c.Heads, queries]);
        var ranges = c.Ranges is { } see ? bench.Ints(see(batch, queries, keys), [batch, queries, 2]) : null;
        Twin? slopes = c.Slopes ? bench.Random([c.Heads]) : null, bias = c.BiasHeads > 0 ? Bias(bench, c, batch, queries, keys) : null;
        var sinks = c.Sinks ? bench.Random([c.Heads]) : null;
        AttentionCall Call(Func<Twin, Tensor> t) =>
            new(shape, ranges is null ? null : t(ranges), slopes is null ? null : t(slopes), bias is null ? null : t(bias),
                sinks is null ? null : t(sinks), new AttentionDropout(c.Dropout, 5, 9UL << 40));

        bench.Run((b, t) => b.Attention(Call(t), Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads), t(lse)));
        bench.Same(o, "o", c.BFloat16 ? Once : 1e-5);
        bench.Same(lse, "lse", c.BFloat16 ? 1e-4 : 5e-6);

        Twin dq = Gradient(bench, c, qs), dk = Gradient(bench, c, ks), dv = Gradient(bench, c, vs);
        Twin? dBias = bias is null ? null : bench.Random(bias.Cpu.Shape), dSinks = sinks is null ? null : bench.Random([c.Heads]);
        bench.Run((b, t) => b.AttentionGradient(Call(t), Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads),
            Of(t(dO), c.Heads), t(lse), t(delta), Of(t(dq), c.Heads), c.Accumulate, Of(t(dk), c.KeyHeads), c.Accumulate,
            Of(t(dv), c.KeyHeads), c.Accumulate, dBias is null ? null : t(dBias),
            dSinks is null ? null : t(dSinks)));
        bench.Same(dq, "dq", c.BFloat16 ? Twice : 2e-5);
        bench.Same(dk, "dk", c.BFloat16 ? Twice : 2e-5);
        bench.Same(dv, "dv", c.BFloat16 ? Twice : 2e-5);
        if (dBias is not null)
        {
            bench.Same(dBias, "dbias", c.BFloat16 ? Twice : 2e-5);
        }
        if (dSinks is not null)
        {
            bench.Same(dSinks, "dsinks", c.BFloat16 ? Twice : 2e-5);
        }
    }

    // With Masked, a third of the keys are masked, and all keys of the second query of each matrix.
    private static Twin Bias(ParityBench bench, Case c, int batch, int queries, int keys)
    {
        int count = (c.BiasBatch ? batch : 1) * c.BiasHeads * queries * keys;
        var random = new Random(queries);
        float[] values = [.. Enumerable.Range(0, count).Select(i =>
            c.Masked && (i % 3 == 1 || i / keys % queries == 1) ? float.NegativeInfinity : random.NextSingle() - 0.5f)];
        return bench.Floats(values, c.BiasBatch ? [batch, c.BiasHeads, queries, keys] : [c.BiasHeads, queries, keys]);
    }

    /// <summary>One F32 query over keys and values that are stored in BF16.</summary>
    private static void BFloat16Cache(ParityBench bench)
    {
        int batch = 2, keys = bench.Size(18, 200), dim = bench.Size(8, 64);
        Shape qs = [batch, 1, 4 * dim], ks = [batch, keys, 2 * dim];
        Twin q = bench.Random(qs, scale: 2), k = bench.Random(ks, DType.BF16, 2), v = bench.Random(ks, DType.BF16), o = bench.Empty(qs),
            lse = bench.Empty([batch, 4, 1]);
        var ranges = bench.Ints([0, keys - 3, 2, keys - 1], [batch, 1, 2]);
        var shape = new AttentionShape(batch, 1, keys, 4, 2, dim, 1 / MathF.Sqrt(dim), 0);
        bench.Run((b, t) => b.Attention(new AttentionCall(shape, t(ranges)), Of(t(q), 4), Of(t(k), 2), Of(t(v), 2), Of(t(o), 4), t(lse)));
        bench.Same(o, "o", 1e-5);
        bench.Same(lse, "lse", 5e-6);
    }

    private static Twin Numbers(ParityBench bench, Case c, Shape shape, float scale = 1) =>
        c.BFloat16 ? bench.Activation(shape, scale) : bench.Random(shape, scale: scale);

    private static Twin Gradient(ParityBench bench, Case c, Shape shape) =>
        c.BFloat16 ? bench.Result(shape, c.Accumulate) : bench.Target(shape, c.Accumulate);

    /// <summary>One gradient at a time.</summary>
    private static void Some(ParityBench bench, Case c)
    {
        int batch = 2, length = bench.Size(19, 197);
        var call = new AttentionCall(new AttentionShape(batch, length, length, c.Heads, c.KeyHeads, c.Dim, 1 / MathF.Sqrt(c.Dim), 0));
        Shape qs = [batch, length, c.Heads * c.Dim], ks = [batch, length, c.KeyHeads * c.Dim];
        Twin q = Numbers(bench, c, qs), k = Numbers(bench, c, ks), v = Numbers(bench, c, ks), dO = Numbers(bench, c, qs),
            o = Gradient(bench, c, qs);
        Twin lse = bench.Empty([batch, c.Heads, length]), delta = bench.Empty([batch, c.Heads, length]);
        bench.Run((b, t) => b.Attention(call, Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads), t(lse)));
        foreach (string wanted in (string[])["dq", "dk", "dv"])
        {
            var result = Gradient(bench, c, wanted == "dq" ? qs : ks);
            bench.Run((b, t) => b.AttentionGradient(call, Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads),
                Of(t(dO), c.Heads),
                t(lse), t(delta), wanted == "dq" ? Of(t(result), c.Heads) : null, false, wanted == "dk" ? Of(t(result), c.KeyHeads) : null,
                false,
                wanted == "dv" ? Of(t(result), c.KeyHeads) : null, false, null, null));
            bench.Same(result, wanted, c.BFloat16 ? Twice : 2e-5);
        }
    }

    /// <summary>q, k and v inside one projection, and their gradients inside one buffer.</summary>
    private static void Fused(ParityBench bench, bool bf16)
    {
        int batch = 2, length = bench.Size(17, 130), heads = 3, dim = bench.Size(4, 64), width = 3 * heads * dim;
        var shape = new AttentionShape(batch, length, length, heads, heads, dim, 0.3f, 0);
        var c = new Case(BFloat16: bf16);
        Shape all = [batch, length, width], one = [batch, length, heads * dim];
        Twin qkv = Numbers(bench, c, all), dO = Numbers(bench, c, one), o = Gradient(bench, c, one), d = Gradient(bench, c, all);
        Twin lse = bench.Empty([batch, heads, length]), delta = bench.Empty([batch, heads, length]);
        Heads Part(Tensor tensor, int index) => new(tensor, heads, dim, index * heads * dim);
        bench.Run((b, t) => b.Attention(new AttentionCall(shape), Part(t(qkv), 0), Part(t(qkv), 1), Part(t(qkv), 2),
            new Heads(t(o), heads, dim), t(lse)));
        bench.Run((b, t) => b.AttentionGradient(new AttentionCall(shape), Part(t(qkv), 0), Part(t(qkv), 1), Part(t(qkv), 2),
            new Heads(t(o), heads, dim),
            new Heads(t(dO), heads, dim), t(lse), t(delta), Part(t(d), 0), false, Part(t(d), 1), false, Part(t(d), 2), false, null, null));
        bench.Same(o, "o", bf16 ? Once : 1e-5);
        bench.Same(d, "gradients", bf16 ? Twice : 2e-5);
    }

    private static Heads Of(Tensor tensor, int heads) => new(tensor, heads, tensor.Shape.Columns / heads);

    // Sliding windows, an empty row, one that includes later keys, one that extends past the last key.
    private static int[] Windows(int batch, int queries, int keys) =>
    [
        .. Enumerable.Range(0, batch * queries).SelectMany(row => (row % queries) switch
        {
            3 => new[] { 2, 2 },
            5 => [0, keys + 9],
            var i => [Math.Max(0, i - 7), Math.Min(keys, i + 1)],
        }),
    ];

    // Sequences of 150 tokens one after the other in a row.
    private static int[] Packed(int batch, int queries, int keys) =>
        [.. Enumerable.Range(0, batch * queries)
            .SelectMany(row => new[] { row % queries / 150 * 150, Math.Min(keys, (row % queries) + 1) })];

    private static int[] Everything(int batch, int queries, int keys) =>
        [.. Enumerable.Range(0, batch * queries).SelectMany(_ => new[] { 0, keys })];
}

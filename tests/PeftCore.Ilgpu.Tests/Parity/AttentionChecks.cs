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
        ("attention_cached_keys", bench => One(bench, new Case(Queries: bench.Size(3, 17), Keys: bench.Size(18, 200), Dim: bench.Size(5, 96)))),
        ("attention_ranges", bench => One(bench, new Case(Ranges: true, Dim: bench.Size(8, 64)))),
        ("attention_slopes", bench => One(bench, new Case(Slopes: true, Dim: bench.Size(8, 32)))),
        ("attention_bias", bench => One(bench, new Case(BiasHeads: 4, Ranges: true, Dim: bench.Size(8, 64)))),
        ("attention_shared_bias", bench => One(bench, new Case(BiasHeads: 1, Dim: bench.Size(8, 64)))),
        ("attention_soft_cap", bench => One(bench, new Case(SoftCap: 0.7f, Dim: bench.Size(8, 64)))),
        ("attention_accumulates", bench => One(bench, new Case(Accumulate: true, Dim: bench.Size(8, 48)))),
        ("attention_fused", bench => Fused(bench, 1)),
        ("rounded_attention_64", bench => One(bench, new Case(Dim: bench.Size(8, 64), Rounding: Bf16))),
        ("rounded_attention_128", bench => One(bench, new Case(Dim: bench.Size(16, 128), Rounding: Bf16))),
        ("rounded_attention_ranges", bench => One(bench, new Case(Dim: bench.Size(8, 64), Ranges: true, Accumulate: true, Rounding: Bf16))),
        ("rounded_attention_cached_keys", bench => One(bench, new Case(Queries: bench.Size(3, 70), Keys: bench.Size(18, 200), Dim: bench.Size(5, 64), Rounding: Bf16))),
        ("rounded_attention_fused", bench => Fused(bench, Bf16)),
    ];

    // How much more rounding weights and their gradients to BF16 may cost.
    private const double Bf16 = 700;

    private sealed record Case(int Heads = 4, int KeyHeads = 2, int Dim = 8, int Queries = 0, int Keys = 0, bool Ranges = false, bool Slopes = false,
        int BiasHeads = 0, float SoftCap = 0, bool Accumulate = false, double Rounding = 1);

    private static void One(ParityBench bench, Case c)
    {
        int batch = 2, queries = c.Queries > 0 ? c.Queries : bench.Size(19, 197), keys = c.Keys > 0 ? c.Keys : queries;
        var shape = new AttentionShape(batch, queries, keys, c.Heads, c.KeyHeads, c.Dim, 1 / MathF.Sqrt(c.Dim), c.SoftCap);
        Shape qs = [batch, queries, c.Heads * c.Dim], ks = [batch, keys, c.KeyHeads * c.Dim];
        Twin q = bench.Random(qs, scale: 2), k = bench.Random(ks, scale: 2), v = bench.Random(ks), o = bench.Empty(qs), dO = bench.Random(qs);
        Twin lse = bench.Empty([batch, c.Heads, queries]), delta = bench.Empty([batch, c.Heads, queries]);
        Twin? ranges = c.Ranges ? bench.Ints(Windows(batch, queries, keys), [batch, queries, 2]) : null;
        Twin? slopes = c.Slopes ? bench.Random([c.Heads]) : null, bias = c.BiasHeads > 0 ? bench.Random([c.BiasHeads, queries, keys]) : null;
        AttentionCall Call(Func<Twin, Tensor> t) =>
            new(shape, ranges is null ? null : t(ranges), slopes is null ? null : t(slopes), bias is null ? null : t(bias));

        bench.Run((b, t) => b.Attention(Call(t), Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads), t(lse)));
        bench.Same(o, "o", 1e-5 * c.Rounding);
        bench.Same(lse, "lse", 5e-6 * c.Rounding);

        Twin dq = bench.Target(qs, c.Accumulate), dk = bench.Target(ks, c.Accumulate), dv = bench.Target(ks, c.Accumulate);
        Twin? dBias = bias is null ? null : bench.Random(bias.Cpu.Shape);
        bench.Run((b, t) => b.AttentionGradient(Call(t), Of(t(q), c.Heads), Of(t(k), c.KeyHeads), Of(t(v), c.KeyHeads), Of(t(o), c.Heads),
            Of(t(dO), c.Heads), t(lse), t(delta), Of(t(dq), c.Heads), c.Accumulate, Of(t(dk), c.KeyHeads), c.Accumulate,
            Of(t(dv), c.KeyHeads), c.Accumulate, dBias is null ? null : t(dBias)));
        bench.Same(dq, "dq", 2e-5 * c.Rounding);
        bench.Same(dk, "dk", 2e-5 * c.Rounding);
        bench.Same(dv, "dv", 2e-5 * c.Rounding);
        if (dBias is not null)
        {
            bench.Same(dBias, "dbias", 2e-5);
        }
    }

    /// <summary>q, k and v inside one projection, and their gradients inside one buffer.</summary>
    private static void Fused(ParityBench bench, double rounding)
    {
        int batch = 2, length = bench.Size(17, 130), heads = 3, dim = bench.Size(4, 64), width = 3 * heads * dim;
        var shape = new AttentionShape(batch, length, length, heads, heads, dim, 0.3f, 0);
        Twin qkv = bench.Random([batch, length, width]), o = bench.Empty([batch, length, heads * dim]), dO = bench.Random([batch, length, heads * dim]);
        Twin lse = bench.Empty([batch, heads, length]), delta = bench.Empty([batch, heads, length]), d = bench.Empty([batch, length, width]);
        Heads Part(Tensor tensor, int index) => new(tensor, heads, dim, index * heads * dim);
        bench.Run((b, t) => b.Attention(new AttentionCall(shape), Part(t(qkv), 0), Part(t(qkv), 1), Part(t(qkv), 2), new Heads(t(o), heads, dim), t(lse)));
        bench.Run((b, t) => b.AttentionGradient(new AttentionCall(shape), Part(t(qkv), 0), Part(t(qkv), 1), Part(t(qkv), 2), new Heads(t(o), heads, dim),
            new Heads(t(dO), heads, dim), t(lse), t(delta), Part(t(d), 0), false, Part(t(d), 1), false, Part(t(d), 2), false, null));
        bench.Same(o, "o", 1e-5 * rounding);
        bench.Same(d, "gradients", 2e-5 * rounding);
    }

    private static Heads Of(Tensor tensor, int heads) => new(tensor, heads, tensor.Shape.Columns / heads);

    // Sliding windows, an empty row, one that looks ahead, one that asks for more than there is.
    private static int[] Windows(int batch, int queries, int keys) =>
    [
        .. Enumerable.Range(0, batch * queries).SelectMany(row => (row % queries) switch
        {
            3 => new[] { 2, 2 },
            5 => [0, keys + 9],
            var i => [Math.Max(0, i - 7), Math.Min(keys, i + 1)],
        }),
    ];
}

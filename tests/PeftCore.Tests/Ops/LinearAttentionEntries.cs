using PeftCore.Backends;
using PeftCore.Ops;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of causal convolution and the gated delta rule. In each batch row a second sequence starts after two thirds.</summary>
internal static class LinearAttentionEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("causal convolution", ["x: taps", "taps: x", "positions: *"], size =>
        {
            var (batch, length, columns, taps) = size.Pick((1, 1, 1, 1), (2, 6, 3, 4), (1, 4, 4, 4), (3, 21, 300, 4), (1, 0, 2, 3));
            int[] positions = Positions(batch, length);
            return new OpSample([OpInput.Of("x", batch, length, columns), OpInput.Of("taps", taps, columns)],
                t => t[0].CausalConvolution(t[1], t[0].Backend.From(positions, [batch, length])),
                v => [.. Enumerable.Range(0, batch * length * columns).Select(i => Enumerable.Range(0, taps)
                    .Where(d => d <= positions[i / columns])
                    .Sum(d => v[1][(taps - 1 - d) * columns + i % columns] * v[0][i - d * columns]))]);
        });
        yield return new OpEntry("gated delta", ["q: *", "k: *", "v: *", "g: *", "beta: *", "positions: *"], size =>
        {
            var (batch, length, keyHeads, valueHeads, keys, values) =
                size.Pick((1, 1, 1, 1, 1, 1), (2, 5, 2, 4, 3, 2), (1, 3, 1, 1, 1, 1), (1, 131, 1, 2, 9, 17), (1, 0, 1, 1, 2, 3));
            int[] positions = Positions(batch, length);
            return new OpSample(
                [OpInput.Of("q", batch, length, keyHeads * keys), OpInput.Mapped("k", k => 0.4f * k, batch, length, keyHeads * keys),
                    OpInput.Of("v", batch, length, valueHeads * values), OpInput.Mapped("g", g => -Math.Abs(g), batch, length, valueHeads),
                    OpInput.Mapped("beta", b => 0.5f + 0.3f * b, batch, length, valueHeads)],
                t => new DeltaTensors(t[0], t[1], t[2], t[3], t[4], t[0].Backend.From(positions, [batch, length]))
                    .GatedDelta(keyHeads, valueHeads),
                v => Naive.GatedDelta(v, positions, length, keyHeads, valueHeads, keys, values));
        })
        { Tolerance = 5e-5 };
    }

    private static int[] Positions(int batch, int length) =>
        [.. Enumerable.Range(0, batch * length).Select(i => i % length < length * 2 / 3 || length < 3 ? i % length
            : i % length - length * 2 / 3)];
}

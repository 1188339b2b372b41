using PeftCore.Models;

namespace PeftCore.Tests.Models;

public sealed class CtcDecodingTests
{
    [Test]
    public void Repeats_collapse_unless_a_blank_is_between_them() =>
        Assert.That(CtcDecoding.Greedy(Logits([1, 1, 0, 1, 2, 2, 0, 0, 3]), 4, 0), Is.EqualTo(new[] { 1, 1, 2, 3 }));

    [Test]
    public void A_wide_beam_finds_the_labels_with_the_largest_sum_over_alignments()
    {
        const int Frames = 5, Classes = 3;
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            float[] logits = [.. Enumerable.Range(0, Frames * Classes).Select(_ => 2 * random.NextSingle())];
            Assert.That(string.Join(' ', CtcDecoding.Beam(logits, Classes, 0, 100)), Is.EqualTo(Best(logits, Frames, Classes)), $"seed {seed}");
        }
    }

    [Test]
    public void One_beam_keeps_the_best_prefix() =>
        Assert.That(CtcDecoding.Beam(Logits([1, 1, 0, 1, 2, 2, 0, 0, 3]), 4, 0, 1), Is.EqualTo(new[] { 1, 1, 2, 3 }));

    private static string Best(float[] logits, int frames, int classes)
    {
        var sums = new Dictionary<string, double>();
        for (int path = 0; path < Math.Pow(classes, frames); path++)
        {
            int[] symbols = [.. Enumerable.Range(0, frames).Select(t => path / (int)Math.Pow(classes, t) % classes)];
            double p = symbols.Select((symbol, t) => Math.Exp(logits[t * classes + symbol])
                / Enumerable.Range(0, classes).Sum(c => Math.Exp(logits[t * classes + c]))).Aggregate(1.0, (a, b) => a * b);
            string key = string.Join(' ', symbols.Where((symbol, t) => symbol != 0 && (t == 0 || symbols[t - 1] != symbol)));
            sums[key] = sums.GetValueOrDefault(key) + p;
        }
        return sums.MaxBy(sum => sum.Value).Key;
    }

    private static float[] Logits(int[] symbols) =>
        [.. symbols.SelectMany(symbol => Enumerable.Range(0, 4).Select(c => c == symbol ? 3f : 0))];
}

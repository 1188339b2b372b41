using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

public sealed class LogitsProcessorTests
{
    private const float Out = float.NegativeInfinity;

    // ln of 0.5, 0.25, 0.15, 0.1 in another order.
    private static readonly float[] Logits = [MathF.Log(0.15f), MathF.Log(0.5f), MathF.Log(0.1f), MathF.Log(0.25f)];

    [Test]
    public void A_repetition_penalty_divides_positive_logits_multiplies_negative_ones_and_counts_each_token_once()
    {
        float[] logits = [2, -2, 3, 0];
        LogitsProcessors.RepetitionPenalty(logits, new HashSet<int> { 0, 1, 3 }, 2);
        Assert.That(logits, Is.EqualTo([1, -4, 3, 0]));
    }

    [TestCase(1, new[] { 1 })]
    [TestCase(2, new[] { 1, 3 })]
    [TestCase(3, new[] { 0, 1, 3 })]
    [TestCase(9, new[] { 0, 1, 2, 3 })]
    public void Top_k_keeps_the_k_likeliest(int k, int[] kept) =>
        Assert.That(Kept(logits => LogitsProcessors.TopK(logits, k)), Is.EqualTo(kept));

    [Test]
    public void Top_k_keeps_what_equals_the_last_that_counts()
    {
        float[] logits = [1, 5, 1, 5, 5];
        LogitsProcessors.TopK(logits, 2);
        Assert.That(logits, Is.EqualTo([Out, 5, Out, 5, 5]));
    }

    [TestCase(0.01f, new[] { 1 })]
    [TestCase(0.45f, new[] { 1 })]
    [TestCase(0.55f, new[] { 1, 3 })]
    [TestCase(0.8f, new[] { 0, 1, 3 })]
    [TestCase(0.95f, new[] { 0, 1, 2, 3 })]
    public void Top_p_keeps_the_fewest_tokens_that_reach_p(float p, int[] kept) =>
        Assert.That(Kept(logits => LogitsProcessors.TopP(logits, p)), Is.EqualTo(kept));

    [TestCase(0.15f, new[] { 0, 1, 2, 3 })]
    [TestCase(0.25f, new[] { 0, 1, 3 })]
    [TestCase(0.45f, new[] { 1, 3 })]
    [TestCase(1f, new[] { 1 })]
    public void Min_p_keeps_what_is_likely_relative_to_the_likeliest(float p, int[] kept) =>
        Assert.That(Kept(logits => LogitsProcessors.MinP(logits, p)), Is.EqualTo(kept));

    [Test]
    public void Draws_follow_the_probabilities_that_temperature_and_filters_leave()
    {
        const int Draws = 20_000;
        var chooser = new TokenChooser(new GenerationOptions { Temperature = 0.5f, TopK = 3, TopP = 0.99f, Seed = 3 });
        int[] counts = new int[4];
        for (int i = 0; i < Draws; i++)
        {
            counts[chooser.Choose((float[])Logits.Clone())]++;
        }
        // Squares of 0.15, 0.5, 0.25 (temperature one half), token 2 ruled out by top-k.
        double[] expected = [0.0225, 0.25, 0, 0.0625];
        double sum = expected.Sum();
        Assert.That(counts.Select(count => (double)count / Draws), Is.EqualTo(expected.Select(e => e / sum)).Within(0.01));
    }

    [Test]
    public void Logits_that_are_no_numbers_are_an_error() =>
        Assert.That(() => DamagedOutput.Check([1, float.NaN]), Throws.TypeOf<BadInputException>());

    private static IEnumerable<int> Kept(Action<float[]> process)
    {
        float[] logits = (float[])Logits.Clone();
        process(logits);
        return Enumerable.Range(0, 4).Where(i => logits[i] != Out);
    }
}

using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

public sealed class LogitsProcessorListTests
{
    private const int Vocabulary = 6;
    private const float Out = float.NegativeInfinity;

    [TestCase(1, new[] { 4, 2 }, new[] { 2, 4 })]
    [TestCase(2, new[] { 1, 2, 3, 1 }, new[] { 2 })]
    [TestCase(2, new[] { 1, 2, 1, 3, 1 }, new[] { 2, 3 })]
    [TestCase(3, new[] { 1, 2, 3, 1, 2 }, new[] { 3 })]
    [TestCase(3, new[] { 1, 2 }, new int[0])]
    [TestCase(4, new[] { 1, 2 }, new int[0])]
    public void No_n_gram_occurs_twice(int size, int[] sequence, int[] excluded) =>
        Assert.That(Excluded(new GenerationOptions { NoRepeatNgramSize = size }, sequence), Is.EqualTo(excluded));

    [Test]
    public void No_n_gram_of_the_encoders_text_occurs()
    {
        var options = new GenerationOptions { EncoderNoRepeatNgramSize = 2 };
        Assert.That(Excluded(options, [5, 1], encoderIds: [1, 2, 1, 4]), Is.EqualTo([2, 4]));
        Assert.That(Excluded(options, [5, 3], encoderIds: [1, 2, 1, 4]), Is.Empty);
    }

    [Test]
    public void Bad_words_lose_their_last_token_after_their_first_ones()
    {
        var options = new GenerationOptions { BadWords = [[2], [1, 3], [4, 4, 5], [0]], StopTokens = [0] };
        Assert.That(Excluded(options, [0, 1]), Is.EqualTo([2, 3]));
        Assert.That(Excluded(options, [4, 4, 4]), Is.EqualTo([2, 5]));
        // transformers waits until the sequence is as long as the word; a stop token alone is no bad word.
        Assert.That(Excluded(options, [4, 4]), Is.EqualTo([2]));
    }

    [TestCase(3, 0, 2, true)]
    [TestCase(3, 0, 3, false)]
    [TestCase(0, 1, 2, true)]
    [TestCase(0, 1, 3, false)]
    public void Stop_tokens_wait_for_the_minimum_length(int minLength, int minNewTokens, int length, bool waits)
    {
        var options = new GenerationOptions { MinLength = minLength, MinNewTokens = minNewTokens, StopTokens = [3, 5, 99] };
        Assert.That(Excluded(options, Enumerable.Repeat(1, length), promptLength: 2), Is.EqualTo(waits ? [3, 5] : Array.Empty<int>()));
    }

    [Test]
    public void Forced_tokens_are_all_that_is_left_and_come_after_other_processors()
    {
        var options = new GenerationOptions
        {
            ForcedBosTokenId = 2, ForcedEosTokenId = 3, StopTokens = [3], MinNewTokens = 99, BeginSuppressTokens = [4],
        };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Excluded(options, [1], promptLength: 1), Is.EqualTo([0, 1, 3, 4, 5]));
            Assert.That(Excluded(options, [1, 2], promptLength: 1), Is.EqualTo([3, 4]));
            Assert.That(Excluded(options, [1, 2, 1], promptLength: 1), Is.EqualTo([3]));
            Assert.That(Excluded(options, Enumerable.Repeat(1, 9), promptLength: 1), Is.EqualTo([0, 1, 2, 4, 5]));
            Assert.That(Excluded(options, [1, 1], promptLength: 2), Is.EqualTo([3, 4]));
        }
    }

    [Test]
    public void Suppressed_tokens_never_occur_and_ids_that_name_no_token_are_left_out() =>
        Assert.That(Excluded(new GenerationOptions { SuppressTokens = [-1, 2, 600] }, [1, 1, 1]), Is.EqualTo([2]));

    [Test]
    public void A_repetition_penalty_counts_each_token_once_and_acts_before_exclusion()
    {
        float[] scores = [2, -2, 3, 0, 1, 1];
        new LogitsProcessorList(new GenerationOptions { RepetitionPenalty = 2, NoRepeatNgramSize = 2 }, 1, 10).Apply([0, 1, 0], scores);
        Assert.That(scores, Is.EqualTo([1, Out, 3, 0, 1, 1]));
    }

    // Probabilities 0.5, 0.25, 0.15, 0.1: entropy 1.208, distances of −ln p 0.515, 0.178, 0.689, 1.095.
    [TestCase(0.2f, new[] { 1 })]
    [TestCase(0.3f, new[] { 0, 1 })]
    [TestCase(0.8f, new[] { 0, 1, 2 })]
    [TestCase(0.95f, new[] { 0, 1, 2, 3 })]
    public void Typical_sampling_keeps_the_tokens_of_about_expected_information(float mass, int[] kept)
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.25f), MathF.Log(0.15f), MathF.Log(0.1f)];
        LogitsProcessors.Typical(logits, mass);
        Assert.That(Enumerable.Range(0, 4).Where(token => logits[token] != Out), Is.EqualTo(kept));
    }

    private static IEnumerable<int> Excluded(GenerationOptions options, IEnumerable<int> sequence, int promptLength = 1,
        int[]? encoderIds = null)
    {
        float[] scores = [.. Enumerable.Range(0, Vocabulary).Select(token => token + 1f)];
        new LogitsProcessorList(options, promptLength, 10, encoderIds).Apply([.. sequence], scores);
        return Enumerable.Range(0, Vocabulary).Where(token => scores[token] == Out);
    }
}

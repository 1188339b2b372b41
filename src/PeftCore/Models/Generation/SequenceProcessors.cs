namespace PeftCore.Models.Generation;

/// <summary>Transforms of the scores of the next token that depend on the tokens so far, as in transformers. An excluded token gets
/// −∞.</summary>
internal static class SequenceProcessors
{
    private const float Excluded = float.NegativeInfinity;

    /// <summary>Excludes tokens that would complete an n-gram of a text (Paulus et al. 2017, "A Deep Reinforced Model for Abstractive
    /// Summarization").</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="text">The text whose n-grams must not occur again: the sequence itself, or that of the encoder.</param>
    /// <param name="sequence">The tokens so far.</param>
    /// <param name="size">n.</param>
    public static void NoRepeatNgram(Span<float> scores, ReadOnlySpan<int> text, ReadOnlySpan<int> sequence, int size)
    {
        if (sequence.Length + 1 < size)
        {
            return;
        }
        var beginning = sequence[(sequence.Length + 1 - size)..];
        for (int at = 0; at + size <= text.Length; at++)
        {
            if (text.Slice(at, size - 1).SequenceEqual(beginning))
            {
                scores[text[at + size - 1]] = Excluded;
            }
        }
    }

    /// <summary>Excludes the last token of every word whose other tokens end the sequence. As in transformers, a word of several tokens
    /// counts once the sequence is as long as the word.</summary>
    public static void BadWords(Span<float> scores, ReadOnlySpan<int> sequence, int[][] words)
    {
        foreach (int[] word in words)
        {
            if (word.Length == 1 || (word.Length <= sequence.Length && sequence.EndsWith(word.AsSpan(..^1))))
            {
                scores[word[^1]] = Excluded;
            }
        }
    }

    /// <summary>Excludes tokens. Ids beyond the vocabulary, which a tokenizer may have more of than the model, are left out.</summary>
    public static void Suppress(Span<float> scores, IReadOnlyCollection<int> tokens)
    {
        foreach (int token in tokens)
        {
            if ((uint)token < (uint)scores.Length)
            {
                scores[token] = Excluded;
            }
        }
    }

    /// <summary>Leaves one token, with score 0.</summary>
    public static void Force(Span<float> scores, int token)
    {
        scores.Fill(Excluded);
        scores[token] = 0;
    }
}

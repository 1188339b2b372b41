namespace PeftCore.Models.Generation;

/// <summary>The rules of Whisper's timestamps, as transformers' WhisperTimeStampLogitsProcessor: they come in pairs around a piece of text,
/// never go back, and one is taken where all timestamps together are likelier than any other token.</summary>
/// <param name="NoTimestamps">The token that says that there are none; those of timestamps follow it.</param>
/// <param name="MaxInitial">The largest first timestamp, in steps of 0.02 seconds; null for no limit.</param>
/// <param name="End">The token that ends a text.</param>
internal sealed record TimestampRules(int NoTimestamps, int? MaxInitial, int End)
{
    /// <summary>Seconds of one step.</summary>
    public const double Step = 0.02;

    /// <summary>The token of 0 seconds.</summary>
    public int First => NoTimestamps + 1;

    /// <summary>Changes the scores of the next token.</summary>
    /// <param name="text">The tokens so far, without the prompt.</param>
    /// <param name="scores">Logits; an excluded token gets −∞.</param>
    public void Apply(ReadOnlySpan<int> text, Span<float> scores)
    {
        int first = Math.Min(First, scores.Length);
        Exclude(scores, NoTimestamps, NoTimestamps + 1);
        bool isAfterOne = text.Length > 0 && text[^1] >= first;
        if (isAfterOne && (text.Length < 2 || text[^2] >= first))
        {
            Exclude(scores, first, scores.Length); // The second of a pair, or the first of all, is followed by text.
        }
        else if (isAfterOne)
        {
            Exclude(scores, 0, End); // A piece of text has ended: another timestamp begins the next, or the text ends.
        }
        if (text.LastIndexOfAnyInRange(first, int.MaxValue) is >= 0 and var last)
        {
            bool repeats = isAfterOne && text.Length >= 2 && text[^2] < first;
            Exclude(scores, first, text[last] + (repeats ? 0 : 1));
        }
        if (text.IsEmpty)
        {
            Exclude(scores, 0, first);
            Exclude(scores, MaxInitial is { } most ? first + most + 1 : scores.Length, scores.Length);
        }
        if (TimestampsAreLikelier(scores, first))
        {
            Exclude(scores, 0, first);
        }
    }

    private static bool TimestampsAreLikelier(ReadOnlySpan<float> scores, int first)
    {
        float text = float.NegativeInfinity, time = float.NegativeInfinity;
        foreach (float score in scores[..first])
        {
            text = Math.Max(text, score);
        }
        foreach (float score in scores[first..])
        {
            time = Math.Max(time, score);
        }
        double sum = 0;
        foreach (float score in scores[first..])
        {
            sum += float.IsNegativeInfinity(score) ? 0 : Math.Exp(score - time);
        }
        return time + Math.Log(sum) > text;
    }

    private static void Exclude(Span<float> scores, int from, int to)
    {
        if (from < Math.Min(to, scores.Length))
        {
            scores[from..Math.Min(to, scores.Length)].Fill(float.NegativeInfinity);
        }
    }
}

namespace PeftCore.Data;

/// <summary>Selects the answer to one question from the scores of its windows: the span with the highest sum of the score of its first
/// token as a start and that of its last as an end, over all windows.</summary>
/// <param name="context">The context of the question.</param>
/// <param name="maxTokens">The most tokens of an answer.</param>
internal sealed class SpanSelection(string context, int maxTokens = 30)
{
    private (int Start, int End)? _best;

    /// <summary>The score of the best span; negative infinity before the first window.</summary>
    public double Score { get; private set; } = double.NegativeInfinity;

    /// <summary>The lowest score of the first token as start and end, [CLS], over all windows: the score of no answer.</summary>
    public double NoAnswerScore { get; private set; } = double.PositiveInfinity;

    /// <summary>The answer; empty if there is no span.</summary>
    public string Text => _best is not (int start, int end) ? ""
        : context[TaskFields.Utf16Index(context, start)..TaskFields.Utf16Index(context, end)];

    /// <summary>The answer, or an empty text if no answer has a higher score by more than a threshold, as for SQuAD 2.</summary>
    public string TextOrNone(double threshold = 0) => NoAnswerScore - Score > threshold ? "" : Text;

    /// <summary>Adds the scores of a window.</summary>
    /// <param name="window">The window.</param>
    /// <param name="starts">(T): scores of the sample's tokens as starts.</param>
    /// <param name="ends">(T): scores of the sample's tokens as ends.</param>
    public void Add(QuestionWindow window, ReadOnlySpan<float> starts, ReadOnlySpan<float> ends)
    {
        NoAnswerScore = Math.Min(NoAnswerScore, (double)starts[0] + ends[0]);
        int count = window.Starts.Length;
        for (int first = 0; first < count; first++)
        {
            for (int last = first; last < Math.Min(count, first + maxTokens); last++)
            {
                double score = (double)starts[window.First + first] + ends[window.First + last];
                if (score > Score)
                {
                    (Score, _best) = (score, (window.Starts[first], window.Ends[last]));
                }
            }
        }
    }
}

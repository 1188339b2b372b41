namespace PeftCore.Tokenizers;

/// <summary>A conversation as the text that a model reads, with the ranges of the assistant's answers.</summary>
/// <param name="text">The text.</param>
/// <param name="assistantSpans">The ranges of the assistant's answers.</param>
public sealed class RenderedChat(string text, IReadOnlyList<TextRange> assistantSpans)
{
    /// <summary>The text.</summary>
    public string Text { get; } = text ?? throw new ArgumentNullException(nameof(text));

    /// <summary>The ranges of the text, in Unicode code points, of the assistant's answers: what a model is trained to produce.</summary>
    public IReadOnlyList<TextRange> AssistantSpans { get; } = assistantSpans
        ?? throw new ArgumentNullException(nameof(assistantSpans));

    /// <summary>For each token of the encoded text whether it overlaps an answer of the assistant.</summary>
    /// <param name="encoding">The encoding of <see cref="Text"/>.</param>
    public bool[] AssistantMask(Encoding encoding)
    {
        ArgumentNullException.ThrowIfNull(encoding);
        bool[] mask = new bool[encoding.Length];
        for (int i = 0, span = 0; i < mask.Length; i++)
        {
            var (start, end) = encoding.Offsets[i];
            while (span < AssistantSpans.Count && AssistantSpans[span].End <= start)
            {
                span++;
            }

            mask[i] = !encoding.SpecialTokensMask[i] && span < AssistantSpans.Count && end > AssistantSpans[span].Start && end > start;
        }

        return mask;
    }
}

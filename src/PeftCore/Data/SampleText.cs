
namespace PeftCore.Data;

/// <summary>The text of a row, and the parts of it that are learned.</summary>
/// <param name="Text">The whole text.</param>
/// <param name="Learned">The learned parts, as ranges of code points; null if the row has no prompt.</param>
/// <param name="IsRendered">Whether the text has the special tokens of a chat template already.</param>
internal readonly record struct SampleText(string Text, List<(int Start, int End)>? Learned, bool IsRendered)
{
    /// <summary>A prompt followed by its completion.</summary>
    public static SampleText Prompted(string prompt, string completion) =>
        new(prompt + completion, [(CodePoints(prompt), CodePoints(prompt) + CodePoints(completion))], false);

    public static int CodePoints(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }
}


namespace PeftCore.Data;

/// <summary>The text of a row, and which parts of it the model is to write.</summary>
/// <param name="Text">The whole text.</param>
/// <param name="Learned">The parts to write, as ranges of code points; null if the row is one text without a prompt.</param>
/// <param name="IsRendered">Whether a chat template has put the special tokens into the text.</param>
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

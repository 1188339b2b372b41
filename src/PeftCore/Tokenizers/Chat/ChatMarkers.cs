namespace PeftCore.Tokenizers;

/// <summary>The markers of chat templates, such as "&lt;|im_end|&gt;" and "[/INST]".</summary>
internal static class ChatMarkers
{
    /// <summary>How many markers begin in a text.</summary>
    public static int Count(ReadOnlySpan<char> text) => text.Count('<') + text.Count('[');

    /// <summary>How much of a text holds no marker or word that is cut off at its end.</summary>
    public static int WholeLength(ReadOnlySpan<char> text)
    {
        foreach (var (open, close) in new[] { ('<', '>'), ('[', ']') })
        {
            var at = text.LastIndexOf(open);
            if (at >= 0 && text[at..].IndexOf(close) < 0)
            {
                text = text[..at];
            }
        }

        var length = text.Length;
        while (length > 0 && char.IsLetterOrDigit(text[length - 1]))
        {
            length--;
        }

        return length;
    }
}

namespace PeftCore.Tokenizers;

/// <summary>The markers of chat templates, such as "&lt;|im_end|&gt;" and "[/INST]".</summary>
internal static class ChatMarkers
{
    /// <summary>How many markers begin in a text.</summary>
    public static int Count(ReadOnlySpan<char> text) => text.Count('<') + text.Count('[');

    /// <summary>A place in a text, moved to the end of the marker that it is inside of.</summary>
    public static int EndOfMarker(string text, int place)
    {
        foreach (var (open, close) in new[] { ('<', '>'), ('[', ']') })
        {
            int at = text.AsSpan(0, place).LastIndexOf(open);
            if (at >= 0 && text.IndexOf(close, at) is >= 0 and var end && end >= place)
            {
                place = end + 1;
            }
        }

        return place;
    }

    /// <summary>How much of a text holds no marker or word that is cut off at its end.</summary>
    public static int WholeLength(ReadOnlySpan<char> text)
    {
        foreach (var (open, close) in new[] { ('<', '>'), ('[', ']') })
        {
            int at = text.LastIndexOf(open);
            if (at >= 0 && text[at..].IndexOf(close) < 0)
            {
                text = text[..at];
            }
        }

        int length = text.Length;
        while (length > 0 && char.IsLetterOrDigit(text[length - 1]))
        {
            length--;
        }

        return length;
    }
}

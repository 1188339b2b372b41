namespace PeftCore.Tokenizers;

/// <summary>Finds what the assistant says in a rendered conversation whose template does not mark it.</summary>
internal static class AssistantSpans
{
    // Private-use characters at both ends, so that it shares neither its first nor its last character with any real answer.
    private const string StandIn = "\uE000answer\uE001";

    /// <summary>Renders the conversation again with a stand-in for each answer: where the two texts differ is the answer, however the
    /// template rewrites it. The marker that ends the turn, which a model has to learn too, is what follows the stand-in when the
    /// conversation stops there.</summary>
    public static List<TextSpan> Find(IReadOnlyList<ChatMessage> messages, string text, Func<IReadOnlyList<ChatMessage>, string> render)
    {
        var spans = new List<TextSpan>();
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant")
            {
                continue;
            }

            var changed = messages.ToArray();
            changed[i] = changed[i] with { Content = StandIn };
            var other = render(changed);
            var start = text.AsSpan().CommonPrefixLength(other);
            var content = Math.Max(start, text.Length - CommonSuffix(text, other));
            var end = content + MarkerLength(text.AsSpan(content), render(changed[..(i + 1)]));
            while (end > content && char.IsWhiteSpace(text[end - 1]))
            {
                // The line break between turns is not the assistant's.
                end--;
            }

            if (text != other && end > start)
            {
                spans.Add(new TextSpan(start, end));
            }
        }

        return spans;
    }

    /// <summary>The same ranges counted in code points.</summary>
    public static List<TextRange> ToCodePoints(string text, List<TextSpan> spans)
    {
        var result = new List<TextRange>(spans.Count);
        var (unit, point) = (0, 0);
        foreach (var span in spans)
        {
            point += CodePoints.Count(text.AsSpan(unit, span.Start - unit));
            var start = point;
            point += CodePoints.Count(text.AsSpan(span.Start, span.End - span.Start));
            unit = span.End;
            result.Add(new TextRange(start, point));
        }

        return result;
    }

    private static int MarkerLength(ReadOnlySpan<char> rest, string cut)
    {
        var at = cut.LastIndexOf(StandIn, StringComparison.Ordinal);
        var marker = at < 0 ? "" : cut[(at + StandIn.Length)..];
        var length = rest.CommonPrefixLength(marker);
        // A conversation may end with more than a turn does; what is only partly the same is cut back to whole lines.
        return length == marker.Length ? length : Math.Max(0, rest[..length].LastIndexOf('\n'));
    }

    private static int CommonSuffix(string text, string other)
    {
        var length = 0;
        while (length < text.Length && length < other.Length && text[^(length + 1)] == other[^(length + 1)])
        {
            length++;
        }

        return length;
    }
}

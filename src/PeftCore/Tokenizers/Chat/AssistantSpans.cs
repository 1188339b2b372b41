namespace PeftCore.Tokenizers;

/// <summary>Finds what the assistant says in a rendered conversation.</summary>
internal static class AssistantSpans
{
    /// <summary>Compares the whole text with that of the conversation before each answer (with the prompt for one) and after it.</summary>
    public static List<TextSpan> Find(
        IReadOnlyList<ChatMessage> messages, string text, Func<IReadOnlyList<ChatMessage>, bool, string> render)
    {
        var spans = new List<TextSpan>();
        var last = 0;
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant")
            {
                continue;
            }

            var start = Math.Max(last, CommonPrefix(text, Before(messages, i, render)));
            var end = i == messages.Count - 1 ? text.Length : CommonPrefix(text, render([.. messages.Take(i + 1)], false));
            var content = messages[i].Content.Trim();
            var at = text.IndexOf(content, Math.Min(start, text.Length), StringComparison.Ordinal);
            // A template may write an earlier answer otherwise than the last one (without its reasoning, say): then only the place where
            // the answer stands tells.
            end = at >= 0 && at + content.Length > end ? at + content.Length : end;
            var kept = at >= 0 ? Math.Max(start, at + content.Length) : start;
            while (end > kept && char.IsWhiteSpace(text[end - 1]))
            {
                // The line break between turns is not the assistant's.
                end--;
            }

            if (end > start)
            {
                spans.Add(new TextSpan(start, end));
                last = end;
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

    private static string Before(IReadOnlyList<ChatMessage> messages, int count, Func<IReadOnlyList<ChatMessage>, bool, string> render)
    {
        try
        {
            return render([.. messages.Take(count)], true);
        }
        catch (BadInputException)
        {
            // Some templates refuse a conversation without messages or one that ends with the system's: then nothing is before.
            return "";
        }
    }

    private static int CommonPrefix(string text, string other) => text.AsSpan().CommonPrefixLength(other);
}

namespace PeftCore.Tokenizers;

/// <summary>Finding and cutting in strings; places count code points.</summary>
internal static class JinjaStringSearch
{
    /// <summary>The part of a text that the arguments after the first, start and end, leave; null where the start is behind the
    /// end.</summary>
    public static string? Part(string text, JinjaGiven given, out long start)
    {
        int count = CodePoints.Count(text);
        start = given.Index(1, 0);
        long end = given.Index(2, count);
        start = start < 0 ? Math.Max(0, start + count) : start;
        end = Math.Min(end < 0 ? Math.Max(0, end + count) : end, count);
        return start > end ? null : JinjaStrings.Slice(text, start, end);
    }

    public static object? Find(string text, JinjaGiven given, bool fromRight)
    {
        string sub = given.Text(0);
        if (Part(text, given, out long start) is not { } part)
        {
            return null;
        }

        int at = fromRight ? part.LastIndexOf(sub, StringComparison.Ordinal) : part.IndexOf(sub, StringComparison.Ordinal);
        return at < 0 ? null : start + CodePoints.Count(part.AsSpan(0, at));
    }

    public static JinjaTuple Partition(string text, JinjaGiven given, bool fromRight)
    {
        string separator = given.Text(0);
        if (separator.Length == 0)
        {
            throw JinjaError.Of("partition needs a separator of at least one character");
        }

        int at = fromRight ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        return at >= 0 ? new JinjaTuple([text[..at], separator, text[(at + separator.Length)..]])
            : fromRight ? new JinjaTuple(["", "", text])
            : new JinjaTuple([text, "", ""]);
    }

    public static List<object?> Split(string text, JinjaGiven given, bool fromRight, JinjaRun run)
    {
        run.Spend(text.Length);
        long limit = given.Integer(1, -1);
        if (given.Get(0, null) is null)
        {
            return [.. JinjaStrings.Words(text, limit, fromRight)];
        }

        string separator = given.Text(0) is { Length: > 0 } some
            ? some : throw JinjaError.Of("split needs a separator of at least one character");
        var parts = new List<object?>();
        var (start, end) = (0, text.Length);
        while (limit < 0 || parts.Count < limit)
        {
            var rest = text.AsSpan(start, end - start);
            int at = fromRight ? rest.LastIndexOf(separator, StringComparison.Ordinal) : rest.IndexOf(separator, StringComparison.Ordinal);
            if (at < 0)
            {
                break;
            }

            parts.Add((fromRight ? rest[(at + separator.Length)..] : rest[..at]).ToString());
            (start, end) = fromRight ? (start, start + at) : (start + at + separator.Length, end);
        }

        parts.Add(text[start..end]);
        if (fromRight)
        {
            parts.Reverse();
        }

        return parts;
    }
}

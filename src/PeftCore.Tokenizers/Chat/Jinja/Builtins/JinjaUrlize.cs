using System.Text.RegularExpressions;

namespace PeftCore.Tokenizers;

/// <summary>The filter urlize: links around addresses in a text.</summary>
internal static class JinjaUrlize
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    private static readonly Regex Web = new(
        @"^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)"
        + @"|(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}])))(?::[\d]{1,5})?(?:[/?#]\S*)?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, Limit);

    private static readonly Regex Mail = new(@"^\S+@\w[\w.-]*\.\w+$", RegexOptions.CultureInvariant, Limit);
    private static readonly Regex Head = new(@"^([(<]|&lt;)+", RegexOptions.CultureInvariant, Limit);
    private static readonly Regex Tail = new(@"([)>.,\n]|&gt;)+\z", RegexOptions.CultureInvariant, Limit);
    private static readonly Regex Scheme = new(@"^([\w.+-]{2,}:(/){0,2})\z", RegexOptions.CultureInvariant, Limit);

    public static object? Write(object? value, JinjaGiven given, JinjaRun run)
    {
        var (schemes, rel) = (new List<string>(), new SortedSet<string>(StringComparer.Ordinal) { "noopener" });
        if (given.Get(4, null) is { } extra)
        {
            schemes.AddRange(JinjaMembers.Iterate(extra, run).Select(JinjaText.Str));
        }

        if (schemes.Find(s => !Scheme.IsMatch(s)) is { } bad)
        {
            throw JinjaError.Of($"urlize has the scheme '{bad}'");
        }

        rel.UnionWith(given.Get(3, null) is null ? [] : JinjaStrings.Words(given.Text(3)));
        rel.UnionWith(given.Flag(1) ? ["nofollow"] : Array.Empty<string>());
        string attributes = $" rel=\"{JinjaHtml.Escape(string.Join(' ', rel)).Text}\"";
        if (given.Get(2, null) is not null && given.Text(2).Length > 0)
        {
            attributes += $" target=\"{JinjaHtml.Escape(given.Text(2)).Text}\"";
        }

        long limit = given.Index(0, long.MaxValue);
        string text = JinjaHtml.Escape(value).Text;
        run.Spend(text.Length * 16L);
        try
        {
            string result = string.Concat(Words(text).Select(word => Link(word, attributes, limit, schemes)));
            return run.AutoEscape ? new JinjaMarkup(result) : result;
        }
        catch (RegexMatchTimeoutException)
        {
            throw JinjaError.Of("urlize has a text that takes too long");
        }
    }

    /// <summary>Words and the white space between them.</summary>
    private static IEnumerable<string> Words(string text)
    {
        for (int at = 0; at < text.Length;)
        {
            int end = at;
            while (end < text.Length && JinjaStrings.IsSpace(text[end]) == JinjaStrings.IsSpace(text[at]))
            {
                end++;
            }

            yield return text[at..end];
            at = end;
        }
    }

    private static string Link(string word, string attributes, long limit, List<string> schemes)
    {
        string head = Head.Match(word).Value;
        string middle = word[head.Length..];
        string tail = Tail.Match(middle).Value;
        middle = middle[..^tail.Length];
        foreach (var (opening, closing) in new[] { ("(", ")"), ("<", ">"), ("&lt;", "&gt;") })
        {
            long open = JinjaStrings.Count(middle, opening);
            if (open <= JinjaStrings.Count(middle, closing))
            {
                continue;
            }

            for (long i = Math.Min(open, JinjaStrings.Count(tail, closing)); i > 0; i--)
            {
                int end = tail.IndexOf(closing, StringComparison.Ordinal) + closing.Length;
                (middle, tail) = (middle + tail[..end], tail[end..]);
            }
        }

        string Shown() => CodePoints.Count(middle) > limit ? JinjaStrings.Slice(middle, 0, Math.Max(0, limit)) + "..." : middle;
        if (Web.IsMatch(middle))
        {
            string scheme = middle.StartsWith("https://", StringComparison.Ordinal)
                || middle.StartsWith("http://", StringComparison.Ordinal) ? "" : "https://";
            middle = $"<a href=\"{scheme}{middle}\"{attributes}>{Shown()}</a>";
        }
        else if (middle.StartsWith("mailto:", StringComparison.Ordinal) && Mail.IsMatch(middle[7..]))
        {
            middle = $"<a href=\"{middle}\">{middle[7..]}</a>";
        }
        else if (middle.Contains('@', StringComparison.Ordinal) && !middle.StartsWith("www.", StringComparison.Ordinal)
            && !middle.StartsWith('@')
            && !middle.Contains(':', StringComparison.Ordinal) && Mail.IsMatch(middle))
        {
            middle = $"<a href=\"mailto:{middle}\">{middle}</a>";
        }
        else
        {
            foreach (string? scheme in schemes.Where(s => middle != s && middle.StartsWith(s, StringComparison.Ordinal)))
            {
                middle = $"<a href=\"{middle}\"{attributes}>{middle}</a>";
            }
        }

        return head + middle + tail;
    }
}

using System.Net;

namespace PeftCore.Tokenizers;

/// <summary>Text for HTML.</summary>
internal static class JinjaHtml
{
    /// <summary>The value escaped, unless it is already.</summary>
    public static JinjaMarkup Escape(object? value) => value as JinjaMarkup ?? new JinjaMarkup(JinjaText.Str(value)
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal));

    public static string StripTags(string text)
    {
        text = Remove(Remove(text, "<!--", "-->"), "<", ">");
        string plain = WebUtility.HtmlDecode(string.Join(' ', JinjaStrings.Words(text)));
        for (int at = text.IndexOf('&', StringComparison.Ordinal); at >= 0; at = text.IndexOf('&', at + 1))
        {
            int end = text.AsSpan(at + 1).IndexOfAny(" &;\t\n") is >= 0 and var length ? at + 1 + length : text.Length;
            bool whole = end < text.Length && text[end] == ';';
            string entity = text[at..(whole ? end + 1 : end)];
            if (entity.Length > 1 && (char.IsAsciiLetter(entity[1]) || entity[1] == '#') && (!whole
                || WebUtility.HtmlDecode(entity) == entity))
            {
                throw JinjaError.Of($"striptags meets '{entity}', which it does not decode");
            }
        }

        return plain;
    }

    private static string Remove(string text, string opening, string closing)
    {
        var kept = new System.Text.StringBuilder();
        int at = 0;
        for (int start = text.IndexOf(opening, StringComparison.Ordinal); start >= 0; start = text.IndexOf(opening, at,
            StringComparison.Ordinal))
        {
            int end = text.IndexOf(closing, start, StringComparison.Ordinal);
            if (end < 0)
            {
                break;
            }

            kept.Append(text, at, start - at);
            at = end + closing.Length;
        }

        return kept.Append(text, at, text.Length - at).ToString();
    }
}

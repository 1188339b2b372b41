using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Filters for web pages and addresses.</summary>
internal static class JinjaWebFilters
{
    public static IEnumerable<JinjaBuiltin> All { get; } =
    [
        new("urlencode", "", UrlEncode),
        new("urlize", "trim_url_limit= nofollow= target= rel= extra_schemes=", JinjaUrlize.Write),
        new("xmlattr", "autospace=", XmlAttributes),
    ];

    private static object UrlEncode(object? value, JinjaGiven given, JinjaRun run)
    {
        if (JinjaText.IsText(value) || JinjaMembers.ItemsOf(value) is null)
        {
            return Quote(value, inQuery: false, run);
        }

        var items = value is JinjaDict dict ? new JinjaDictView(dict, "items").Items : JinjaMembers.Iterate(value, run);
        return string.Join('&', items.Select(item =>
        {
            var pair = JinjaMembers.ToList(item, run);
            return pair.Count == 2
                ? $"{Quote(pair[0], inQuery: true, run)}={Quote(pair[1], inQuery: true, run)}"
                : throw JinjaError.Of("urlencode needs pairs of key and value");
        }));
    }

    private static string Quote(object? value, bool inQuery, JinjaRun run)
    {
        var text = new StringBuilder();
        foreach (byte b in System.Text.Encoding.UTF8.GetBytes(JinjaText.Str(value)))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !inQuery))
            {
                text.Append(c);
            }
            else if (c == ' ' && inQuery)
            {
                text.Append('+');
            }
            else
            {
                text.Append('%').Append("0123456789ABCDEF"[b >> 4]).Append("0123456789ABCDEF"[b & 15]);
            }
        }

        return run.Made(text.ToString());
    }

    private static object XmlAttributes(object? value, JinjaGiven given, JinjaRun run)
    {
        if (value is not JinjaDict dict)
        {
            throw JinjaText.Refuse(value, "xmlattr needs a dictionary");
        }

        var parts = new List<string>();
        foreach (var (key, item) in dict.Items.Where(i => i.Value is not (null or JinjaUndefined)))
        {
            if (!JinjaText.IsText(key) || JinjaText.Str(key).AsSpan().IndexOfAny(" \t\n\r\f\v/>=") >= 0)
            {
                throw JinjaError.Of($"{JinjaText.Describe(key)} cannot be the name of an attribute");
            }

            parts.Add(run.Made($"{JinjaHtml.Escape(key).Text}=\"{JinjaHtml.Escape(item).Text}\""));
        }

        string text = string.Join(' ', parts);
        text = given.Flag(0, true) && text.Length > 0 ? " " + text : text;
        return run.AutoEscape ? new JinjaMarkup(text) : text;
    }
}

using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Filters of texts.</summary>
internal static class JinjaTextFilters
{
    public static IEnumerable<JinjaBuiltin> All { get; } =
    [
        Make("upper", "", (text, _, _) => JinjaCase.ToUpper(text)),
        Make("lower", "", (text, _, _) => JinjaCase.ToLower(text)),
        Make("capitalize", "", (text, _, _) => JinjaCase.Capitalize(text)),
        Make("center", "width=", (text, given, run) => JinjaStrings.Pad(text, given.Integer(0, 80), ' ', 0.5, run)),
        Make("trim", "chars=", (text, given, _) => JinjaStrings.Strip(text, given.Get(0, null), left: true, right: true)),
        new("title", "", (value, _, _) => Title(JinjaText.Str(value))),
        new("replace", "old new count=", Replace),
        new("string", "", (value, _, _) => value as JinjaMarkup ?? (object)JinjaText.Str(value)),
        new("tojson", "ensure_ascii= indent= separators= sort_keys=", (value, given, run) => JinjaJsonWriter.Write(value, given, run)),
        new("escape", "", (value, _, _) => JinjaHtml.Escape(value)),
        new("e", "", (value, _, _) => JinjaHtml.Escape(value)),
        new("forceescape", "", (value, _, _) => JinjaHtml.Escape(JinjaText.Str(value))),
        new("safe", "", (value, _, _) => new JinjaMarkup(JinjaText.Str(value))),
        new("striptags", "", (value, _, _) => JinjaHtml.StripTags(JinjaText.Str(value))),
        new("wordcount", "", (value, _, _) => CountWords(JinjaText.Str(value))),
        new("pprint", "", (value, _, run) => JinjaPrettyPrint.Write(value, run)),
        new("attr", "name", (value, given, run) => Attribute(value, given.Text(0), run)),
        new("default", "default_value= boolean=", Default),
        new("d", "default_value= boolean=", Default),
    ];

    public static object? Format(object? value, JinjaArguments arguments, JinjaRun run)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
        {
            throw JinjaError.Of("format takes arguments with names or without, not both");
        }

        object values = new JinjaTuple(arguments.Positional);
        if (arguments.Named.Count > 0)
        {
            var dict = new JinjaDict();
            foreach (var (key, item) in arguments.Named)
            {
                dict[key] = item;
            }

            values = dict;
        }

        return value is JinjaMarkup ? throw JinjaError.Of("it formats text that is marked as safe")
            : JinjaFormat.Percent(JinjaText.Str(value), values, run);
    }

    private static JinjaBuiltin Make(string name, string parameters, Func<string, JinjaGiven, JinjaRun, string> body) =>
        new(name, parameters, (value, given, run) => JinjaMembers.Like(value, body(JinjaText.Str(value), given, run)));

    private static object? Default(object? value, JinjaGiven given, JinjaRun run) =>
        value is JinjaUndefined || (given.Flag(1) && !JinjaOperators.IsTrue(value)) ? given.Get(0, "") : value;

    private static object? Attribute(object? value, string name, JinjaRun run)
    {
        if (value is JinjaUndefined)
        {
            throw ((JinjaUndefined)value).Raise();
        }

        object? found = JinjaMembers.OwnAttribute(value, name, run);
        return found != JinjaMissing.Value ? found : new JinjaUndefined(() => $"{JinjaText.Describe(value)} has no '{name}'");
    }

    private static object? Replace(object? value, JinjaGiven given, JinjaRun run)
    {
        var (old, fresh, count) = (given[0], given[1], given.Index(2, -1));
        if (!run.AutoEscape)
        {
            return JinjaStrings.Replace(JinjaText.Str(value), JinjaText.Str(old), JinjaText.Str(fresh), count, run);
        }

        bool safe = old is JinjaMarkup || fresh is JinjaMarkup || value is JinjaMarkup;
        string Part(object? part) => safe ? JinjaHtml.Escape(part).Text : JinjaText.Str(part);
        string result = JinjaStrings.Replace(Part(value), Part(old), Part(fresh), count, run);
        return safe ? new JinjaMarkup(result) : result;
    }

    /// <summary>Unlike the method of strings, the filter begins a word only after white space, a hyphen or an opening bracket.</summary>
    private static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int at = 0; at < text.Length;)
        {
            int end = at;
            bool separates = IsSeparator(text[at]);
            while (end < text.Length && IsSeparator(text[end]) == separates)
            {
                end++;
            }

            int first = text.AsSpan().CodePointLength(at);
            result.Append(JinjaCase.ToUpper(text.Substring(at, first))).Append(JinjaCase.ToLower(text[(at + first)..end]));
            at = end;
        }

        return result.ToString();

        static bool IsSeparator(char c) => JinjaStrings.IsSpace(c) || c is '-' or '(' or '{' or '[' or '<';
    }

    private static object CountWords(string text)
    {
        var (count, inWord) = (0L, false);
        foreach (var rune in text.EnumerateRunes())
        {
            bool isWord = JinjaStrings.IsAlphanumeric(rune) || rune.Value == '_';
            count += isWord && !inWord ? 1 : 0;
            inWord = isWord;
        }

        return count;
    }
}

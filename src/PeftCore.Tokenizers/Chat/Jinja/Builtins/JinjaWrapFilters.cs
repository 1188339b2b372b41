using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Filters that lay out lines.</summary>
internal static class JinjaWrapFilters
{
    public static IEnumerable<JinjaBuiltin> All { get; } =
    [
        new("indent", "width= first= blank=", Indent),
        new("truncate", "length= killwords= end= leeway=", Truncate),
        new("wordwrap", "width= break_long_words= wrapstring= break_on_hyphens=", WordWrap),
    ];

    private static object Indent(object? value, JinjaGiven given, JinjaRun run)
    {
        if (!JinjaText.IsText(value))
        {
            throw JinjaText.Refuse(value, "indent needs a string");
        }

        object? width = given.Get(0, 4L);
        if (!JinjaText.IsText(width))
        {
            run.Spend(Math.Max(0, given.Integer(0, 4)));
        }

        string indent = JinjaText.IsText(width) ? JinjaText.Str(width) : new string(' ', (int)Math.Max(0, given.Integer(0, 4)));
        if (value is JinjaMarkup)
        {
            indent = JinjaHtml.Escape(width is JinjaMarkup ? width : indent).Text;
        }

        var lines = JinjaStrings.Lines(JinjaText.Str(value) + "\n", keepEnds: false);
        run.Spend(JinjaText.Str(value).Length + (long)lines.Count * indent.Length);
        bool blank = given.Flag(2);
        var text = new StringBuilder(given.Flag(1) ? indent : "").Append(lines[0]);
        foreach (string? line in lines.Skip(1))
        {
            text.Append('\n').Append(blank || line.Length > 0 ? indent : "").Append(line);
        }

        return JinjaMembers.Like(value, text.ToString());
    }

    private static object? Truncate(object? value, JinjaGiven given, JinjaRun run)
    {
        var (length, end, leeway) = (given.Integer(0, 255), given.Text(2, "..."), given.Index(3, 5));
        if (length < CodePoints.Count(end) || leeway < 0)
        {
            throw JinjaError.Of("truncate has a length below that of its end, or a leeway below zero");
        }

        long count = JinjaMembers.Length(value) ?? throw JinjaError.Of($"truncate needs a string, not {JinjaText.Describe(value)}");
        if (count - leeway <= length)
        {
            return value;
        }

        if (value is not string text)
        {
            throw JinjaError.Of($"truncate needs a string, not {JinjaText.Describe(value)}");
        }

        string kept = JinjaStrings.Slice(text, 0, length - CodePoints.Count(end));
        return given.Flag(1) ? kept + end : (kept.LastIndexOf(' ') is >= 0 and var at ? kept[..at] : kept) + end;
    }

    private static object WordWrap(object? value, JinjaGiven given, JinjaRun run)
    {
        if (!JinjaText.IsText(value))
        {
            throw JinjaText.Refuse(value, "wordwrap needs a string");
        }

        long width = given.Integer(0, 79);
        string separator = given.Get(2, null) is null ? "\n" : given.Text(2);
        var lines = JinjaStrings.Lines(JinjaText.Str(value), keepEnds: false)
            .Select(line => string.Join(separator, JinjaWordWrap.Wrap(line, width, given.Flag(1, true), given.Flag(3, true),
                run))).ToList();
        run.Spend(lines.Count * (long)separator.Length);
        return string.Join(separator, lines);
    }
}

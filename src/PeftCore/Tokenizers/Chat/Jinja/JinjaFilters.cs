using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>What can stand after "|" and works on one value.</summary>
internal static class JinjaFilters
{
    public static bool IsKnown(string name) => JinjaListFilters.IsKnown(name) || name is "trim" or "tojson" or "length" or "count" or "default"
        or "d" or "upper" or "lower" or "capitalize" or "title" or "replace" or "string" or "int" or "float" or "abs" or "round" or "indent"
        or "escape" or "e" or "forceescape" or "safe" or "items" or "format" or "wordcount" or "center" or "attr" or "pprint" or "striptags";

    public static object? Apply(string name, object? value, JinjaArguments args, JinjaRun run) => run.Made(Value(name, value, args, run), value);

    private static object? Value(string name, object? value, JinjaArguments args, JinjaRun run) => name switch
    {
        "trim" => JinjaStringMethods.Strip(JinjaText.Str(value), args.Get(0, "chars", null), left: true, right: true),
        "tojson" => JinjaJson.Write(value, args, run),
        "length" or "count" => Length(value),
        "default" or "d" => Default(value, args),
        "upper" => JinjaText.Str(value).ToUpperInvariant(),
        "lower" => JinjaText.Str(value).ToLowerInvariant(),
        "capitalize" => JinjaStringMethods.Capitalize(JinjaText.Str(value)),
        "title" => Title(JinjaText.Str(value)),
        "replace" => JinjaStringMethods.Replace(
            JinjaText.Str(value), args.Text(0, "old"), args.Text(1, "new"), args.Integer(2, "count", -1), run),
        "string" => JinjaText.Str(value),
        "int" => ToInteger(value, args),
        "float" => ToFloat(value, args),
        "abs" => value is long number ? (object)Math.Abs(number) : Math.Abs(Number(value, name)),
        "round" => Round(value, args),
        "indent" => Indent(JinjaText.Str(value), args, run),
        "escape" or "e" or "forceescape" => Escape(JinjaText.Str(value)),
        "safe" => value,
        "items" => value is JinjaUndefined ? new List<object?>()
            : value is JinjaDict dict ? dict.Items.Select(i => (object?)JinjaMembers.Pair(i.Key, i.Value)).ToList()
            : throw JinjaError.Of($"items needs a dictionary, not {JinjaOperators.Describe(value)}"),
        "format" => JinjaFormat.Percent(JinjaText.Str(value), args.Positional.ToList(), run),
        "wordcount" => (long)JinjaText.Str(value).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length,
        "center" => Center(JinjaText.Str(value), args.Integer(0, "width", 80), run),
        "attr" => JinjaMembers.Attribute(value, args.Text(0, "name"), run),
        "pprint" => JinjaText.Repr(value),
        "striptags" => StripTags(JinjaText.Str(value)),
        _ => JinjaListFilters.Apply(name, value, args, run),
    };

    /// <summary>Unlike the method of strings, the filter begins a word only after white space, a hyphen or an opening bracket.</summary>
    private static string Title(string text) => string.Create(text.Length, text, (span, source) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            var begins = i == 0 || char.IsWhiteSpace(source[i - 1]) || source[i - 1] is '-' or '(' or '{' or '[' or '<';
            span[i] = begins ? char.ToUpperInvariant(source[i]) : char.ToLowerInvariant(source[i]);
        }
    });

    private static long Length(object? value) => value switch
    {
        string text => CodePoints.Count(text),
        List<object?> list => list.Count,
        JinjaDict dict => dict.Count,
        JinjaUndefined => 0,
        _ => throw JinjaError.Of($"{JinjaOperators.Describe(value)} has no length"),
    };

    private static object? Default(object? value, JinjaArguments args)
    {
        var alsoFalse = JinjaOperators.IsTrue(args.Get(1, "boolean", false));
        return value is JinjaUndefined || (alsoFalse && !JinjaOperators.IsTrue(value)) ? args.Get(0, "default_value", "") : value;
    }

    private static double Number(object? value, string filter) => JinjaOperators.IsNumber(value)
        ? JinjaOperators.ToDouble(value!)
        : throw JinjaError.Of($"{filter} needs a number, not {JinjaOperators.Describe(value)}");

    private static object? ToInteger(object? value, JinjaArguments args) => value switch
    {
        long => value,
        bool flag => flag ? 1L : 0L,
        double number when Math.Abs(number) < 9e18 => (long)number,
        string text when long.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && Math.Abs(real) < 9e18 => (long)real,
        _ => args.Get(0, "default", 0L),
    };

    private static object? ToFloat(object? value, JinjaArguments args) => value switch
    {
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) => real,
        _ when JinjaOperators.IsNumber(value) => JinjaOperators.ToDouble(value!),
        _ => args.Get(0, "default", 0.0),
    };

    private static object Round(object? value, JinjaArguments args)
    {
        var scale = Math.Pow(10, Math.Clamp(args.Integer(0, "precision", 0), -15, 15));
        var scaled = Number(value, "round") * scale;
        return args.Text(1, "method", "common") switch
        {
            "common" => Math.Round(scaled, MidpointRounding.ToEven) / scale,
            "ceil" => Math.Ceiling(scaled) / scale,
            "floor" => Math.Floor(scaled) / scale,
            var other => throw JinjaError.Of($"round knows common, ceil and floor, not '{other}'"),
        };
    }

    private static string Indent(string text, JinjaArguments args, JinjaRun run)
    {
        var indent = args.Get(0, "width", 4L) switch
        {
            long width => new string(' ', (int)Math.Clamp(width, 0, 1000)),
            var other => JinjaText.Str(other),
        };
        var lines = text.Split('\n');
        run.Spend(text.Length + (long)lines.Length * indent.Length);
        var (first, blank) = (JinjaOperators.IsTrue(args.Get(1, "first", false)), JinjaOperators.IsTrue(args.Get(2, "blank", false)));
        for (var i = 0; i < lines.Length; i++)
        {
            if ((i > 0 || first) && (blank || lines[i].Length > 0 || i == 0))
            {
                lines[i] = indent + lines[i];
            }
        }

        return string.Join('\n', lines);
    }

    private static string Center(string text, long width, JinjaRun run)
    {
        run.Spend(Math.Max(0, width));
        var missing = (int)Math.Max(0, width - text.Length);
        return new string(' ', missing / 2) + text + new string(' ', missing - missing / 2);
    }

    private static string Escape(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal);

    private static string StripTags(string text)
    {
        for (var start = text.IndexOf('<', StringComparison.Ordinal); start >= 0; start = text.IndexOf('<', StringComparison.Ordinal))
        {
            var end = text.IndexOf('>', start);
            if (end < 0)
            {
                break;
            }

            text = text.Remove(start, end - start + 1);
        }

        return string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }
}

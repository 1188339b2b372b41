using System.Globalization;
using System.Numerics;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Values as Python prints them.</summary>
internal static class JinjaText
{
    private const int MaxDepth = 50;
    private const int MaxLength = 4 << 20;

    public static bool IsText(object? value) => value is string or JinjaMarkup;

    public static string Str(object? value) => value switch
    {
        string text => text,
        JinjaMarkup markup => markup.Text,
        JinjaUndefined => "",
        _ => Repr(value),
    };

    public static string Repr(object? value)
    {
        var text = new StringBuilder();
        Append(text, value, 0);
        return text.ToString();
    }

    /// <summary>A value in a message.</summary>
    public static string Describe(object? value)
    {
        string text;
        try
        {
            text = value switch
            {
                JinjaUndefined undefined => $"an undefined value ({undefined.Why})",
                JinjaFunction function => $"the function {function.Name}",
                JinjaIterator iterator => $"what {iterator.Kind} gives",
                _ => Repr(value),
            };
        }
        catch (BadInputException)
        {
            text = "a value that cannot be printed";
        }

        return text.Length > 60 ? text[..(char.IsHighSurrogate(text[59]) ? 59 : 60)] + "…" : text;
    }

    /// <summary>The exception for a value of the wrong type.</summary>
    public static BadInputException Refuse(object? value, string need) =>
        value is JinjaUndefined undefined ? undefined.Raise() : JinjaError.Of($"{need}, not {Describe(value)}");

    private static void Append(StringBuilder text, object? value, int depth)
    {
        if (depth > MaxDepth || text.Length > MaxLength)
        {
            throw JinjaError.Of("it prints a value that is too deep or too long");
        }

        switch (value)
        {
            case null:
                text.Append("None");
                break;
            case bool flag:
                text.Append(flag ? "True" : "False");
                break;
            case long number:
                text.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case BigInteger number:
                text.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                text.Append(JinjaFloatText.Repr(number));
                break;
            case string s:
                AppendQuoted(text, s);
                break;
            case JinjaMarkup markup:
                AppendQuoted(text.Append("Markup("), markup.Text);
                text.Append(')');
                break;
            case List<object?> list:
                text.Append(list is JinjaTuple ? '(' : '[');
                AppendItems(text, list, depth);
                text.Append(list is not JinjaTuple ? "]" : list.Count == 1 ? ",)" : ")");
                break;
            case JinjaDict dict:
                AppendDict(text, dict, depth);
                break;
            case JinjaDictView view:
                text.Append(CultureInfo.InvariantCulture, $"dict_{view.Kind}([");
                AppendItems(text, view.Items, depth);
                text.Append("])");
                break;
            case JinjaRange range:
                text.Append(CultureInfo.InvariantCulture, $"range({range.Start}, {range.Stop}");
                text.Append(range.Step == 1 ? ")" : $", {range.Step.ToString(CultureInfo.InvariantCulture)})");
                break;
            case JinjaUndefined:
                text.Append("Undefined");
                break;
            case JinjaNamespace space:
                text.Append("<Namespace ");
                AppendDict(text, space.Members, depth);
                text.Append('>');
                break;
            case JinjaLoop loop:
                text.Append(CultureInfo.InvariantCulture, $"<LoopContext {loop.Index0 + 1}/{loop.Length}>");
                break;
            case JinjaFunction { Text: { } known }:
                text.Append(known);
                break;
            default:
                throw JinjaError.Of($"it prints {Kind(value)}, which in Python tells an address in memory");
        }
    }

    private static string Kind(object value) => value switch
    {
        JinjaFunction function => $"the function {function.Name}",
        JinjaIterator iterator => $"what {iterator.Kind} gives without |list",
        _ => "an object",
    };

    private static void AppendItems(StringBuilder text, IEnumerable<object?> items, int depth)
    {
        string separator = "";
        foreach (object? item in items)
        {
            text.Append(separator);
            separator = ", ";
            Append(text, item, depth + 1);
        }
    }

    private static void AppendDict(StringBuilder text, JinjaDict dict, int depth)
    {
        string separator = "{";
        foreach (var (key, item) in dict.Items)
        {
            text.Append(separator);
            separator = ", ";
            Append(text, key, depth + 1);
            text.Append(": ");
            Append(text, item, depth + 1);
        }

        text.Append(dict.Count == 0 ? "{}" : "}");
    }

    private static void AppendQuoted(StringBuilder text, string value)
    {
        char quote = value.Contains('\'', StringComparison.Ordinal) && !value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote);
        foreach (var rune in value.EnumerateRunes())
        {
            int c = rune.Value;
            text.Append(c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\\' => "\\\\",
                _ when c == quote => "\\" + quote,
                >= ' ' and < 0x7F => ((char)c).ToString(),
                _ when IsPrintable(rune) => rune.ToString(),
                < 0x100 => $"\\x{c:x2}",
                < 0x10000 => $"\\u{c:x4}",
                _ => $"\\U{c:x8}",
            });
        }

        text.Append(quote);
    }

    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}

using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Values to JSON as Python's json.dumps writes them (without escaping what is not ASCII), and JSON to values.</summary>
internal static class JinjaJson
{
    private const int MaxDepth = 50;

    public static string Write(object? value, JinjaArguments arguments, JinjaRun run)
    {
        var indent = arguments.Get(1, "indent", null);
        var separators = arguments.Get(2, "separators", null) as List<object?>;
        var style = new Style(
            indent is long width ? new string(' ', (int)Math.Clamp(width, 0, 64)) : indent as string,
            separators?.Count == 2 ? JinjaText.Str(separators[0]) : indent is null ? ", " : ",",
            separators?.Count == 2 ? JinjaText.Str(separators[1]) : ": ",
            JinjaOperators.IsTrue(arguments.Get(3, "sort_keys", false)),
            JinjaOperators.IsTrue(arguments.Get(0, "ensure_ascii", false)));
        var text = new StringBuilder();
        Append(text, value, style, 0);
        return run.Made(text.ToString());
    }

    /// <summary>A value from outside as the interpreter keeps it.</summary>
    public static object? Import(object? value, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw JinjaError.Of($"a value given to it is more than {MaxDepth} levels deep");
        }

        return value switch
        {
            null or string or bool or long or double or JinjaDict or JinjaFunction => value,
            int or short or byte or uint or ushort or sbyte => Convert.ToInt64(value, CultureInfo.InvariantCulture),
            float or decimal => Convert.ToDouble(value, CultureInfo.InvariantCulture),
            JsonElement element => Import(element, depth),
            ChatMessage message => ImportPairs(message.Members(), depth),
            IEnumerable<KeyValuePair<string, object?>> pairs => ImportPairs(pairs, depth),
            System.Collections.IEnumerable items => items.Cast<object?>().Select(i => Import(i, depth + 1)).ToList(),
            _ => value.ToString(),
        };
    }

    private sealed record Style(string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys, bool Ascii);

    private static JinjaDict ImportPairs(IEnumerable<KeyValuePair<string, object?>> pairs, int depth)
    {
        var dict = new JinjaDict();
        foreach (var (key, value) in pairs)
        {
            dict[key] = Import(value, depth + 1);
        }

        return dict;
    }

    private static object? Import(JsonElement element, int depth) => element.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out var number) ? (object)number
            : element.GetRawText().AsSpan().IndexOfAny(".eE") >= 0 ? element.GetDouble()
            : throw JinjaError.Of($"the number {element.GetRawText()} has more than 64 bits"),
        JsonValueKind.Array => element.EnumerateArray().Select(i => Import(i, depth + 1)).ToList(),
        _ => ImportPairs(element.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, (object?)p.Value)), depth),
    };

    private static void Append(StringBuilder text, object? value, Style style, int depth)
    {
        if (depth > MaxDepth || text.Length > 16 << 20)
        {
            throw JinjaError.Of("it writes JSON that is too deep or too long");
        }

        switch (value)
        {
            case null:
                text.Append("null");
                break;
            case bool flag:
                text.Append(flag ? "true" : "false");
                break;
            case long number:
                text.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                text.Append(double.IsFinite(number) ? JinjaText.Number(number) : double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
            case string s:
                AppendString(text, s, style.Ascii);
                break;
            case List<object?> list:
                AppendItems(text, '[', ']', list, style, depth, (item, _) => Append(text, item, style, depth + 1));
                break;
            case JinjaDict dict:
                var items = style.SortKeys ? dict.Items.OrderBy(i => JinjaText.Str(i.Key), StringComparer.Ordinal) : dict.Items;
                AppendItems(text, '{', '}', [.. items], style, depth, (item, _) =>
                {
                    AppendString(text, item.Key is string key ? key : KeyText(item.Key), style.Ascii);
                    text.Append(style.KeySeparator);
                    Append(text, item.Value, style, depth + 1);
                });
                break;
            default:
                throw JinjaError.Of($"{JinjaOperators.Describe(value)} has no form in JSON");
        }
    }

    private static string KeyText(object key) => key is double number ? JinjaText.Number(number) : JinjaText.Str(key);

    private static void AppendItems<T>(
        StringBuilder text, char opening, char closing, IReadOnlyList<T> items, Style style, int depth, Action<T, int> append)
    {
        text.Append(opening);
        for (var i = 0; i < items.Count; i++)
        {
            text.Append(i > 0 ? style.ItemSeparator : "");
            AppendLine(text, style, depth + 1);
            append(items[i], i);
        }

        if (items.Count > 0)
        {
            AppendLine(text, style, depth);
        }

        text.Append(closing);
    }

    private static void AppendLine(StringBuilder text, Style style, int depth)
    {
        if (style.Indent is not null)
        {
            text.Append('\n').Insert(text.Length, style.Indent, depth);
        }
    }

    private static void AppendString(StringBuilder text, string value, bool ascii)
    {
        text.Append('"');
        foreach (var c in value)
        {
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                < ' ' => $"\\u{(int)c:x4}",
                > '~' when ascii => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        }

        text.Append('"');
    }
}

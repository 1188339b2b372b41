using System.Globalization;
using System.Numerics;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Values to JSON as Python's json.dumps writes them.</summary>
internal sealed class JinjaJsonWriter
{
    private const int MaxDepth = 50;
    private const int MaxLength = 4 << 20;

    private readonly StringBuilder _text = new();
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private readonly bool _sortKeys;
    private readonly bool _ascii;
    private readonly JinjaRun _run;

    private JinjaJsonWriter(JinjaGiven given, JinjaRun run)
    {
        _run = run;
        _ascii = given.Flag(0);
        _indent = given.Get(1, null) switch
        {
            null => null,
            var some when JinjaText.IsText(some) => JinjaText.Str(some),
            var some when JinjaNumbers.IsInteger(some) => new string(' ', (int)Math.Clamp(given.Integer(1), 0, 1000)),
            var other => throw JinjaError.Of($"tojson takes a whole number or a string as indent, not {JinjaText.Describe(other)}"),
        };
        (_itemSeparator, _keySeparator) = (_indent is null ? ", " : ",", ": ");
        if (given.Get(2, null) is { } separators)
        {
            var parts = JinjaMembers.ToList(separators, run);
            (_itemSeparator, _keySeparator) = parts.Count == 2 && parts.TrueForAll(JinjaText.IsText)
                ? (JinjaText.Str(parts[0]), JinjaText.Str(parts[1]))
                : throw JinjaError.Of("tojson takes two strings as separators");
        }

        _sortKeys = given.Flag(3);
    }

    /// <summary>The filter tojson as transformers has it: ensure_ascii, indent, separators, sort_keys.</summary>
    public static string Write(object? value, JinjaGiven given, JinjaRun run)
    {
        var json = new JinjaJsonWriter(given, run);
        json.Append(value, 0);
        return run.Made(json._text.ToString());
    }

    private void Append(object? value, int depth)
    {
        if (depth > MaxDepth || _text.Length > MaxLength)
        {
            throw JinjaError.Of("it writes JSON that is too deep or too long");
        }

        _run.Step();
        switch (value)
        {
            case string or JinjaMarkup:
                AppendString(JinjaText.Str(value));
                break;
            case List<object?> list:
                AppendItems('[', ']', list, depth, item => Append(item, depth + 1));
                break;
            case JinjaDict dict:
                AppendItems('{', '}', Sorted(dict), depth, item =>
                {
                    AppendString(item.Key is { } key && JinjaText.IsText(key) ? JinjaText.Str(key)
                        : Scalar(item.Key) ?? throw JinjaError.Of($"{JinjaText.Describe(item.Key)} cannot be a key in JSON"));
                    _text.Append(_keySeparator);
                    Append(item.Value, depth + 1);
                });
                break;
            default:
                _text.Append(Scalar(value) ?? throw JinjaError.Of($"{JinjaText.Describe(value)} has no form in JSON"));
                break;
        }
    }

    private List<KeyValuePair<object?, object?>> Sorted(JinjaDict dict) => _sortKeys
        ? JinjaSort.Sort(dict.Items.ToList(), (a, b) => JinjaOperators.IsLess(a.Key, b.Key, _run), reverse: false)
        : dict.Items.ToList();

    private static string? Scalar(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        BigInteger number => number.ToString(CultureInfo.InvariantCulture),
        double number => double.IsFinite(number) ? JinjaFloatText.Repr(number)
            : double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity",
        _ => null,
    };

    private void AppendItems<T>(char opening, char closing, List<T> items, int depth, Action<T> append)
    {
        _text.Append(opening);
        for (int i = 0; i < items.Count; i++)
        {
            _text.Append(i > 0 ? _itemSeparator : "");
            AppendLine(depth + 1);
            append(items[i]);
        }

        if (items.Count > 0)
        {
            AppendLine(depth);
        }

        _text.Append(closing);
    }

    private void AppendLine(int depth)
    {
        if (_indent is not null)
        {
            _text.Append('\n').Insert(_text.Length, _indent, depth);
        }
    }

    private void AppendString(string value)
    {
        _text.Append('"');
        foreach (char c in value)
        {
            _text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                < ' ' => $"\\u{(int)c:x4}",
                > '~' when _ascii => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        }

        _text.Append('"');
    }
}

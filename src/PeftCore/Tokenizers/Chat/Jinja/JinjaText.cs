using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Values as Python prints them.</summary>
internal static class JinjaText
{
    private const int MaxDepth = 50;

    public static string Str(object? value) => value switch
    {
        string text => text,
        JinjaUndefined => "",
        _ => Repr(value),
    };

    public static string Repr(object? value)
    {
        var text = new StringBuilder();
        Append(text, value, 0);
        return text.ToString();
    }

    public static string Number(double value)
    {
        if (double.IsNaN(value) || double.IsInfinity(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        // Python switches to an exponent at 1e16 and below 1e-4, with at least two digits in it.
        var magnitude = Math.Abs(value);
        if (magnitude is >= 1e16 or (< 1e-4 and > 0))
        {
            var parts = value.ToString("E16", CultureInfo.InvariantCulture).Split('E');
            var exponent = int.Parse(parts[1], CultureInfo.InvariantCulture);
            var shortest = value.ToString("R", CultureInfo.InvariantCulture);
            var digits = shortest.Contains('E', StringComparison.Ordinal) ? shortest[..shortest.IndexOf('E', StringComparison.Ordinal)]
                : Mantissa(shortest);
            return $"{digits}e{(exponent < 0 ? "-" : "+")}{Math.Abs(exponent):00}";
        }

        var plain = value.ToString("R", CultureInfo.InvariantCulture);
        if (plain.Contains('E', StringComparison.Ordinal))
        {
            plain = value.ToString("F0", CultureInfo.InvariantCulture);
        }

        return plain.Contains('.', StringComparison.Ordinal) ? plain : plain + ".0";
    }

    private static string Mantissa(string plain)
    {
        var sign = plain.StartsWith('-') ? "-" : "";
        var digits = plain.TrimStart('-').Replace(".", "", StringComparison.Ordinal).Trim('0');
        return sign + (digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits);
    }

    private static void Append(StringBuilder text, object? value, int depth)
    {
        if (depth > MaxDepth || text.Length > 16 << 20)
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
            case double number:
                text.Append(Number(number));
                break;
            case string s:
                AppendQuoted(text, s);
                break;
            case List<object?> list:
                var tuple = list is JinjaTuple;
                text.Append(tuple ? '(' : '[');
                for (var i = 0; i < list.Count; i++)
                {
                    text.Append(i > 0 ? ", " : "");
                    Append(text, list[i], depth + 1);
                }

                text.Append(!tuple ? "]" : list.Count == 1 ? ",)" : ")");
                break;
            case JinjaDict dict:
                text.Append('{');
                var first = true;
                foreach (var (key, item) in dict.Items)
                {
                    text.Append(first ? "" : ", ");
                    first = false;
                    Append(text, key, depth + 1);
                    text.Append(": ");
                    Append(text, item, depth + 1);
                }

                text.Append('}');
                break;
            case JinjaUndefined:
                text.Append("Undefined");
                break;
            case JinjaFunction function:
                text.Append(CultureInfo.InvariantCulture, $"<function {function.Name}>");
                break;
            default:
                text.Append(value is JinjaNamespace ? "<Namespace>" : "<object>");
                break;
        }
    }

    private static void AppendQuoted(StringBuilder text, string value)
    {
        var quote = value.Contains('\'', StringComparison.Ordinal) && !value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote);
        foreach (var c in value)
        {
            text.Append(c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\\' => "\\\\",
                _ when c == quote => "\\" + c,
                < ' ' or '\x7F' => $"\\x{(int)c:x2}",
                _ => c.ToString(),
            });
        }

        text.Append(quote);
    }
}

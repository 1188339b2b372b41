using System.Numerics;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>format % values.</summary>
internal static class JinjaFormat
{
    public static string Percent(string format, object? values, JinjaRun run)
    {
        var dict = values as JinjaDict;
        var queue = new Queue<object?>(values is JinjaTuple tuple ? tuple : [values]);
        var (text, named) = (new StringBuilder(), false);
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }

            i++;
            object? key = JinjaMissing.Value;
            if (i < format.Length && format[i] == '(')
            {
                int end = ClosingParenthesis(format, i);
                key = dict?.TryGet(format[(i + 1)..end], out object? found)
                    ?? throw JinjaError.Of("a format names its values, but they are not a dictionary")
                    ? found
                    : throw JinjaError.Of($"a format names '{format[(i + 1)..end]}', which the values have not");
                named = true;
                i = end + 1;
            }

            var spec = new JinjaFormatSpec();
            string flags = "";
            while (i < format.Length && "-+ #0".Contains(format[i], StringComparison.Ordinal))
            {
                flags += format[i++];
            }

            spec.Width = ReadNumber(format, ref i, queue) is var width && width < 0 ? -width.Value : width ?? 0;
            flags += width < 0 ? "-" : "";
            if (i < format.Length && format[i] == '.')
            {
                i++;
                spec.Precision = Math.Max(0, ReadNumber(format, ref i, queue) ?? 0);
            }

            while (i < format.Length && format[i] is 'h' or 'l' or 'L')
            {
                i++;
            }

            spec.Type = i < format.Length ? format[i] : throw JinjaError.Of("a format ends with %");
            if (spec.Type == '%')
            {
                text.Append('%');
                continue;
            }

            object? value = ReferenceEquals(key, JinjaMissing.Value) ? Next(queue, dict is not null && named) : key;
            text.Append(run.Made(Convert(spec, flags, value)));
        }

        if (queue.Count > 0 && (values is JinjaTuple || !HasItems(values)))
        {
            throw JinjaError.Of("a format has fewer places than values");
        }

        return run.Made(text.ToString());
    }

    public static string Character(object? value) => value switch
    {
        string one when CodePoints.Count(one) == 1 => one,
        _ when JinjaNumbers.IsInteger(value) && JinjaNumbers.ToBig(value!) is var code && code >= 0 && code <= 0x10FFFF
            && Rune.IsValid((int)code) =>
            new Rune((int)code).ToString(),
        _ => throw JinjaError.Of($"{JinjaText.Describe(value)} is not one character"),
    };

    // Python lets what has items but is no string be unused, a list too.
    private static bool HasItems(object? values) => values is JinjaDict or JinjaRange or List<object?>;

    private static object? Next(Queue<object?> queue, bool exhausted) => !exhausted && queue.TryDequeue(out object? value)
        ? value
        : throw JinjaError.Of("a format has more places than values");

    private static int ClosingParenthesis(string format, int at)
    {
        int depth = 0;
        for (int i = at; i < format.Length; i++)
        {
            depth += format[i] switch { '(' => 1, ')' => -1, _ => 0 };
            if (depth == 0)
            {
                return i;
            }
        }

        throw JinjaError.Of("a format has '(' without ')'");
    }

    private static int? ReadNumber(string format, ref int at, Queue<object?> queue)
    {
        if (at < format.Length && format[at] == '*')
        {
            at++;
            return Next(queue, false) is long given && Math.Abs(given) < 1 << 20
                ? (int)given : throw JinjaError.Of("* in a format needs an integer");
        }

        int start = at;
        while (at < format.Length && char.IsAsciiDigit(format[at]))
        {
            at++;
        }

        return start == at ? null : JinjaFormatSpec.ParseNumber(format[start..at]);
    }

    private static string Convert(JinjaFormatSpec spec, string flags, object? value)
    {
        bool left = flags.Contains('-', StringComparison.Ordinal);
        bool zero = flags.Contains('0', StringComparison.Ordinal);
        bool alternate = flags.Contains('#', StringComparison.Ordinal);
        string plus = flags.Contains('+', StringComparison.Ordinal) ? "+" : flags.Contains(' ', StringComparison.Ordinal) ? " " : "";
        switch (spec.Type)
        {
            case 's' or 'r' or 'a':
                string text = spec.Type == 's' ? JinjaText.Str(value) : JinjaText.Repr(value);
                if (spec.Type == 'a' && !Ascii.IsValid(text))
                {
                    throw JinjaError.Of("it formats with %a");
                }

                text = spec.Precision is { } most && most < CodePoints.Count(text) ? JinjaStrings.Slice(text, 0, most) : text;
                return Fit("", text, spec.Width, left, zero: false);
            case 'c':
                return Fit("", Character(value), spec.Width, left, zero: false);
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                var whole = Integer(spec.Type, value);
                char kind = spec.Type is 'i' or 'u' ? 'd' : spec.Type;
                string digits = JinjaFormatSpec.Digits(BigInteger.Abs(whole), kind).PadLeft(spec.Precision ?? 0, '0');
                return Fit((whole.Sign < 0 ? "-" : plus) + (alternate && kind != 'd' ? $"0{kind}" : ""), digits, spec.Width, left, zero);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                double real = value is JinjaUndefined undefined ? throw undefined.Raise()
                    : JinjaNumbers.IsNumber(value) ? JinjaNumbers.ToDouble(value!)
                    : throw JinjaError.Of($"%{spec.Type} does not format {JinjaText.Describe(value)}");
                string shown = JinjaFormatSpec.Digits(real, spec.Type, spec.Precision ?? 6, alternate);
                return Fit(double.IsNegative(real) && !double.IsNaN(real) ? "-" : plus, shown, spec.Width, left, zero);
            default:
                throw JinjaError.Of($"there is no format %{spec.Type}");
        }
    }

    private static BigInteger Integer(char type, object? value) => value switch
    {
        JinjaUndefined undefined => throw undefined.Raise(),
        double real when type is 'd' or 'i' or 'u' && double.IsFinite(real) => new BigInteger(Math.Truncate(real)),
        _ when JinjaNumbers.IsInteger(value) => JinjaNumbers.ToBig(value!),
        _ => throw JinjaError.Of($"%{type} does not format {JinjaText.Describe(value)}"),
    };

    private static string Fit(string sign, string digits, int width, bool left, bool zero)
    {
        int missing = Math.Max(0, width - sign.Length - CodePoints.Count(digits));
        return left ? sign + digits + new string(' ', missing)
            : zero ? sign + new string('0', missing) + digits
            : new string(' ', missing) + sign + digits;
    }
}

using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Python's two ways to fill values into a string, as far as templates use them.</summary>
internal static class JinjaFormat
{
    /// <summary>format % values with %s, %r, %d, %f and %%.</summary>
    public static string Percent(string format, object? values, JinjaRun run)
    {
        var queue = new Queue<object?>(values is List<object?> list ? list : [values]);
        var text = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }

            var start = ++i;
            while (i < format.Length && (char.IsAsciiDigit(format[i]) || format[i] == '.'))
            {
                i++;
            }

            var conversion = i < format.Length ? format[i] : throw JinjaError.Of("a format ends with %");
            if (conversion == '%')
            {
                text.Append('%');
                continue;
            }

            if (!queue.TryDequeue(out var value))
            {
                throw JinjaError.Of("a format has more places than values");
            }

            text.Append(Convert(conversion, format[start..i], value));
            run.Spend(16);
        }

        return run.Made(text.ToString());
    }

    /// <summary>"{} {0} {name}".format(…).</summary>
    public static string Braces(string format, JinjaArguments arguments, JinjaRun run)
    {
        var text = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] is '{' or '}' && i + 1 < format.Length && format[i + 1] == format[i])
            {
                text.Append(format[i++]);
                continue;
            }

            var end = format[i] == '{' ? format.IndexOf('}', i) : -1;
            if (end < 0)
            {
                text.Append(format[i]);
                continue;
            }

            var name = format[(i + 1)..end];
            var value = name.Length == 0 ? arguments[next++, "value"]
                : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? arguments[index, "value"]
                : arguments[int.MaxValue, name];
            text.Append(run.Made(JinjaText.Str(value)));
            i = end;
        }

        return run.Made(text.ToString());
    }

    private static string Convert(char conversion, string precision, object? value)
    {
        switch (conversion)
        {
            case 's':
                return JinjaText.Str(value);
            case 'r':
                return JinjaText.Repr(value);
            case 'd' or 'i' when JinjaOperators.IsNumber(value):
                return Math.Truncate(JinjaOperators.ToDouble(value!)).ToString("F0", CultureInfo.InvariantCulture);
            case 'f' when JinjaOperators.IsNumber(value):
                var digits = precision.StartsWith('.') && int.TryParse(precision.AsSpan(1), out var given) ? Math.Min(given, 50) : 6;
                return JinjaOperators.ToDouble(value!).ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            default:
                throw JinjaError.Of($"%{conversion} does not format {JinjaOperators.Describe(value)}");
        }
    }
}

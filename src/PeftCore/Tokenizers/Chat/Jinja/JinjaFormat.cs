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

            var size = format[start..i].Split('.');
            var digits = size.Length == 2 && int.TryParse(size[1], out var given) ? Math.Min(given, 50) : 6;
            var width = int.TryParse(size[0], out var least) ? Math.Min(least, 1000) : 0;
            text.Append(run.Made(Convert(conversion, digits, value).PadLeft(width)));
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

    private static string Convert(char conversion, int digits, object? value)
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
                return JinjaOperators.ToDouble(value!).ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
            default:
                throw JinjaError.Of($"%{conversion} does not format {JinjaOperators.Describe(value)}");
        }
    }
}

using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Python's strftime in English, with the flags of the GNU C library.</summary>
internal static class JinjaTime
{
    public static string Format(string format, DateTimeOffset time)
    {
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            char flag = format[i + 1] is '-' or '_' or '^' or '#' or '0' && i + 2 < format.Length ? format[i + 1] : '\0';
            char code = format[i += flag == '\0' ? 1 : 2];
            text.Append(Flagged(Part(code, time), flag, code));
        }

        return text.ToString();
    }

    private static string Flagged(string part, char flag, char code)
    {
        bool isNumber = part.Length > 1 && part.All(c => char.IsAsciiDigit(c) || c == ' ');
        return flag switch
        {
            '-' when isNumber => part.TrimStart('0', ' ').PadLeft(1, '0'),
            '_' when isNumber && code is not ('f' or 'Y') => part.TrimStart('0').PadLeft(1, '0').PadLeft(part.Length),
            '0' when isNumber => part.Replace(' ', '0'),
            '^' => part.ToUpperInvariant(),
            '#' => code is 'p' or 'Z' ? part.ToLowerInvariant() : part.ToUpperInvariant(),
            _ => part,
        };
    }

    private static string Part(char code, DateTimeOffset time)
    {
        string Net(string pattern) => time.ToString(pattern, CultureInfo.InvariantCulture);
        string Number(int value, int width) => value.ToString(CultureInfo.InvariantCulture).PadLeft(width, '0');
        int sunday = (int)time.DayOfWeek;
        return code switch
        {
            'a' => Net("ddd"),
            'A' => Net("dddd"),
            'b' or 'h' => Net("MMM"),
            'B' => Net("MMMM"),
            'c' => $"{Net("ddd MMM")} {time.Day,2} {Net("HH:mm:ss yyyy")}",
            'C' => Number(time.Year / 100, 2),
            'd' => Net("dd"),
            'D' or 'x' => Net("MM'/'dd'/'yy"),
            'e' => $"{time.Day,2}",
            'F' => Net("yyyy-MM-dd"),
            'G' => Number(ISOWeek.GetYear(time.DateTime), 4),
            'g' => Number(ISOWeek.GetYear(time.DateTime) % 100, 2),
            'H' => Net("HH"),
            'I' => Net("hh"),
            'j' => Number(time.DayOfYear, 3),
            'k' => $"{time.Hour,2}",
            'l' => $"{(time.Hour + 11) % 12 + 1,2}",
            'm' => Net("MM"),
            'M' => Net("mm"),
            'p' => Net("tt"),
            'P' => Net("tt").ToLowerInvariant(),
            'r' => Net("hh:mm:ss tt"),
            'R' => Net("HH:mm"),
            'S' => Net("ss"),
            'T' or 'X' => Net("HH:mm:ss"),
            'u' => Number(sunday == 0 ? 7 : sunday, 1),
            'U' => Number((time.DayOfYear + 6 - sunday) / 7, 2),
            'V' => Number(ISOWeek.GetWeekOfYear(time.DateTime), 2),
            'w' => Number(sunday, 1),
            'W' => Number((time.DayOfYear + 6 - (sunday + 6) % 7) / 7, 2),
            'y' => Net("yy"),
            'Y' => Net("yyyy"),
            'f' => Net("ffffff"),
            // The time has no zone in Python.
            'z' or 'Z' => "",
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => throw JinjaError.Of($"strftime_now does not know %{code}"),
        };
    }
}

using System.Globalization;
using System.Numerics;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Filters of numbers.</summary>
internal static class JinjaNumberFilters
{
    public static IEnumerable<JinjaBuiltin> All { get; } =
    [
        new("abs", "", (value, _, _) => value is double real ? Math.Abs(real)
            : JinjaNumbers.IsInteger(value) ? JinjaNumbers.Make(BigInteger.Abs(JinjaNumbers.ToBig(value!)))
            : throw JinjaError.Of($"abs needs a number, not {JinjaText.Describe(value)}")),
        new("int", "default= base=", ToInteger),
        new("float", "default=", (value, given, _) => ToFloat(value) ?? given.Get(0, 0.0)),
        new("round", "precision= method=", (value, given, _) => Round(value, given)),
        new("filesizeformat", "binary=", (value, given, _) => FileSize(value, given.Flag(0))),
    ];

    private static object? ToInteger(object? value, JinjaGiven given, JinjaRun run)
    {
        switch (value)
        {
            case JinjaUndefined undefined:
                throw undefined.Raise();
            case double real:
                return double.IsNaN(real) ? given.Get(0, 0L)
                    : double.IsInfinity(real) ? throw JinjaError.Of("infinity is no integer")
                    : JinjaNumbers.Make(new BigInteger(Math.Truncate(real)));
            case string or JinjaMarkup:
                string text = JinjaText.Str(value);
                return Parse(text, given.Integer(1, 10)) is { } whole ? JinjaNumbers.Make(whole)
                    : ParseFloat(text) is { } number && double.IsFinite(number) ? JinjaNumbers.Make(new BigInteger(Math.Truncate(number)))
                    : given.Get(0, 0L);
            default:
                return JinjaNumbers.IsInteger(value) ? JinjaNumbers.Make(JinjaNumbers.ToBig(value!)) : given.Get(0, 0L);
        }
    }

    private static object? ToFloat(object? value) => value switch
    {
        JinjaUndefined undefined => throw undefined.Raise(),
        string or JinjaMarkup => ParseFloat(JinjaText.Str(value)) is { } real ? (object)real : null,
        _ => JinjaNumbers.IsNumber(value) ? JinjaNumbers.ToDouble(value!) : null,
    };

    /// <summary>int(text, base).</summary>
    private static BigInteger? Parse(string text, long radix)
    {
        if (radix is < 0 or 1 or > 36)
        {
            return null;
        }

        text = AsciiDigits(JinjaStrings.Strip(text, null, left: true, right: true)).ToLowerInvariant();
        int sign = text.StartsWith('-') ? -1 : 1;
        text = text.Length > 0 && text[0] is '-' or '+' ? text[1..] : text;
        int prefix = text.Length > 1 && text[0] == '0' ? text[1] switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefix > 0 && (radix == prefix || radix == 0))
        {
            (text, radix) = (text[2..], prefix);
            text = text.StartsWith('_') ? text[1..] : text;
        }
        else if (radix == 0)
        {
            if (text.StartsWith('0') && text.Trim('0', '_').Length > 0)
            {
                return null;
            }

            radix = 10;
        }

        if (text.Length == 0 || text[0] == '_' || text[^1] == '_' || text.Contains("__", StringComparison.Ordinal) || text.Length > 4300)
        {
            return null;
        }

        var result = BigInteger.Zero;
        foreach (char c in text.Where(c => c != '_'))
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterLower(c) ? c - 'a' + 10 : int.MaxValue;
            if (digit >= radix)
            {
                return null;
            }

            result = result * radix + digit;
        }

        return sign * result;
    }

    /// <summary>float(text).</summary>
    private static double? ParseFloat(string text)
    {
        text = AsciiDigits(JinjaStrings.Strip(text, null, left: true, right: true)).ToLowerInvariant();
        switch (text.TrimStart('+', '-') is var bare && text.Length - bare.Length <= 1 ? bare : "")
        {
            case "inf" or "infinity":
                return text.StartsWith('-') ? double.NegativeInfinity : double.PositiveInfinity;
            case "nan":
                return double.NaN;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '_' ? i == 0 || i + 1 == text.Length || !char.IsAsciiDigit(text[i - 1]) || !char.IsAsciiDigit(text[i + 1])
                : !(char.IsAsciiDigit(text[i]) || text[i] is '.' or 'e' or '+' or '-'))
            {
                return null;
            }
        }

        return double.TryParse(text.Replace("_", "", StringComparison.Ordinal),
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture,
                out double real) ? real : null;
    }

    /// <summary>Python reads the decimal digits of all scripts.</summary>
    private static string AsciiDigits(string text) => Ascii.IsValid(text) ? text : string.Concat(text.EnumerateRunes().Select(r =>
        JinjaStrings.IsDecimal(r) ? CharUnicodeInfo.GetDecimalDigitValue(r.ToString(), 0).ToString(CultureInfo.InvariantCulture)
            : r.ToString()));

    private static object? Round(object? value, JinjaGiven given)
    {
        object? method = given.Get(1, "common");
        if (!(JinjaText.IsText(method) && JinjaText.Str(method) is "common" or "ceil" or "floor"))
        {
            throw JinjaError.Of($"round knows common, ceil and floor, not {JinjaText.Describe(method)}");
        }

        if (!JinjaNumbers.IsNumber(value))
        {
            throw JinjaError.Of($"round needs a number, not {JinjaText.Describe(value)}");
        }

        if (JinjaText.Str(method) != "common")
        {
            return Towards(value!, given, JinjaText.Str(method) == "ceil");
        }

        if (value is double real)
        {
            object? digits = given.Get(0, 0L);
            return digits is null ? JinjaNumbers.Make(JinjaFloats.Scaled(NotSpecial(real), 0) * (real < 0 ? -1 : 1))
                : JinjaFloats.Round(real, (int)Math.Clamp(given.Integer(0, 0), -1000, 1000));
        }

        var (whole, precision) = (JinjaNumbers.ToBig(value!), given.Index(0, 0));
        if (precision >= 0)
        {
            return JinjaNumbers.Make(whole);
        }

        var unit = BigInteger.Pow(10, (int)Math.Min(-precision, 5000));
        return JinjaNumbers.Make(JinjaFloats.HalfEven(BigInteger.Abs(whole), unit) * unit * whole.Sign);
    }

    /// <summary>func(value * 10 ** precision) / 10 ** precision.</summary>
    private static object Towards(object value, JinjaGiven given, bool up)
    {
        object scale = JinjaNumbers.Arithmetic("**", 10L, given.Has(0) && given[0] is { } precision ? (JinjaNumbers.IsNumber(precision)
            ? precision
            : throw JinjaError.Of("round needs a whole number as precision")) : 0L);
        object scaled = JinjaNumbers.Arithmetic("*", value, scale);
        object whole = scaled is not double real ? scaled
            : JinjaNumbers.Make(new BigInteger(up ? Math.Ceiling(NotSpecial(real)) : Math.Floor(NotSpecial(real))));
        return JinjaNumbers.Arithmetic("/", whole, scale);
    }

    private static double NotSpecial(double value) => double.IsFinite(value)
        ? value : throw JinjaError.Of("infinity and nan cannot be rounded to an integer");

    private static string FileSize(object? value, bool binary)
    {
        double bytes = ToFloat(value) is double real ? real
            : throw JinjaError.Of($"filesizeformat needs a number, not {JinjaText.Describe(value)}");
        int size = binary ? 1024 : 1000;
        if (bytes == 1)
        {
            return "1 Byte";
        }

        if (bytes < size)
        {
            return JinjaNumbers.ToBig(JinjaNumbers.Make(new BigInteger(Math.Truncate(NotSpecial(bytes)))))
                .ToString(CultureInfo.InvariantCulture) + " Bytes";
        }

        for (int i = 0; ; i++)
        {
            var unit = BigInteger.Pow(size, i + 2);
            if (i == 7 || JinjaNumbers.Compare(bytes, unit) < 0)
            {
                double shown = JinjaNumbers.ToDouble(JinjaNumbers.Arithmetic("/", size * bytes, JinjaNumbers.Make(unit)));
                return JinjaFormatSpec.Parse(".1f").Format(shown) + $" {"kMGTPEZY"[i]}{(binary ? "iB" : "B")}".Replace("kiB", "KiB",
                    StringComparison.Ordinal);
            }
        }
    }
}

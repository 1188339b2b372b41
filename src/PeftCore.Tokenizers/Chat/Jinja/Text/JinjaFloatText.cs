using System.Globalization;
using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>Floats as Python writes them. .NET rounds halves away from zero where Python rounds the exact value, half to even.</summary>
internal static class JinjaFloatText
{
    /// <summary>The shortest digits that read back as the same float; with an exponent below 1e-4 and from 1e16.</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value))
        {
            return Special(value);
        }

        string sign = double.IsNegative(value) ? "-" : "";
        string[] shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        string[] mantissa = shortest[0].Split('.');
        int point = mantissa[0].Length + (shortest.Length == 2 ? int.Parse(shortest[1], CultureInfo.InvariantCulture) : 0);
        string all = mantissa[0] + (mantissa.Length == 2 ? mantissa[1] : "");
        string digits = all.TrimStart('0');
        point -= all.Length - digits.Length;
        digits = digits.TrimEnd('0');
        return digits.Length == 0 ? sign + "0.0" : sign + Place(digits, point, point is <= -4 or > 16, addPoint: true);
    }

    public static string Special(double value) => double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";

    /// <summary>|value| with a number of decimals.</summary>
    public static string Fixed(double value, int decimals)
    {
        string digits = JinjaFloats.Scaled(value, decimals).ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        return decimals == 0 ? digits : $"{digits[..^decimals]}.{digits[^decimals..]}";
    }

    /// <summary>|value| as d.ddde±dd with a number of decimals.</summary>
    public static string Scientific(double value, int decimals)
    {
        var (digits, exponent) = Digits(value, decimals + 1);
        return (decimals == 0 ? digits : $"{digits[0]}.{digits[1..]}") + Exponent(exponent);
    }

    /// <summary>|value| with a number of significant digits, and an exponent where it is short. <paramref name="addPoint"/> asks for the
    /// form
    /// that shows that it is a float.</summary>
    public static string General(double value, int precision, bool keepZeros, bool addPoint)
    {
        precision = Math.Max(precision, 1);
        var (digits, exponent) = Digits(value, precision);
        bool withExponent = exponent < -4 || exponent >= precision - (addPoint ? 1 : 0);
        if (!keepZeros)
        {
            digits = digits.TrimEnd('0') is { Length: > 0 } some ? some : "0";
        }

        string text = Place(digits, exponent + 1, withExponent, addPoint);
        return keepZeros && !text.Contains('.', StringComparison.Ordinal) ? text + "." : text;
    }

    /// <summary>Significant digits and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Digits(double value, int count)
    {
        if (value == 0)
        {
            return (new string('0', count), 0);
        }

        int exponent = (int)Math.Floor(Math.Log10(Math.Abs(value)));
        while (true)
        {
            var scaled = JinjaFloats.Scaled(value, count - 1 - exponent);
            string text = scaled.ToString(CultureInfo.InvariantCulture);
            if (text.Length > count && scaled == BigInteger.Pow(10, count) && IsBelow(value, exponent + 1))
            {
                // Rounding made it one digit longer.
                return (text[..count], exponent + 1);
            }

            if (text.Length == count)
            {
                return (text, exponent);
            }

            exponent += text.Length > count ? 1 : -1;
        }
    }

    private static bool IsBelow(double value, int exponent) => JinjaFloats.Scaled(value, 20 - exponent) <= BigInteger.Pow(10, 20);

    private static string Place(string digits, int point, bool withExponent, bool addPoint)
    {
        if (withExponent)
        {
            return (digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits) + Exponent(point - 1);
        }

        return point <= 0 ? "0." + new string('0', -point) + digits
            : point < digits.Length ? $"{digits[..point]}.{digits[point..]}"
            : digits.PadRight(point, '0') + (addPoint ? ".0" : "");
    }

    private static string Exponent(int exponent) =>
        string.Create(CultureInfo.InvariantCulture, $"e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
}

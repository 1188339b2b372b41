using System.Globalization;
using System.Numerics;

namespace PeftCore;

/// <summary>Parses numbers by one rule, independent of the culture: ASCII digits, one decimal point, an exponent, an optional leading sign.
/// Anything else is not a number: digits in groups ("1,000", "1_000"), a decimal comma ("0,0001"), spaces, hexadecimal digits, "nan" and
/// "infinity".</summary>
internal static class NumberText
{
    private const int MostDigits = 400;

    /// <summary>Reads a finite number. Text whose value a double cannot hold, such as 1e400 and 1e-400, is invalid, because it would become
    /// infinity or zero.</summary>
    public static bool TryFloat(ReadOnlySpan<char> text, out double value)
    {
        value = 0;
        if (!TrySplit(text, out var parts))
        {
            return false;
        }
        const NumberStyles Styles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(text, Styles, CultureInfo.InvariantCulture, out value) && double.IsFinite(value)
            && (value != 0 || parts.IsZero);
    }

    /// <summary>Reads an integer. Any notation with an integer value is valid, because Python writes some integers as 16.0 or 1e3. The
    /// value is read exactly, not through a double.</summary>
    public static bool TryWhole<T>(ReadOnlySpan<char> text, out T value)
        where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
    {
        value = default;
        if (!TrySplit(text, out var parts) || !TryInteger(parts, out string digits))
        {
            return false;
        }
        var whole = BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        whole = parts.Negative ? -whole : whole;
        if (whole < BigInteger.CreateChecked(T.MinValue) || whole > BigInteger.CreateChecked(T.MaxValue))
        {
            return false;
        }
        value = T.CreateChecked(whole);
        return true;
    }

    /// <summary>Reads an integer of digits alone, without sign, point or exponent: a number in a name or a list.</summary>
    public static bool TryDigits(ReadOnlySpan<char> text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Whether text is a number with a decimal comma instead of a point, a likely mistake in many languages.</summary>
    public static bool HasDecimalComma(string text) => text.Contains(',') && TryFloat(text.Replace(',', '.'), out _);

    private static bool TrySplit(ReadOnlySpan<char> text, out Parts parts)
    {
        parts = default;
        if (text.Length is 0 or > MostDigits)
        {
            return false;
        }
        bool negative = text[0] == '-';
        ReadOnlySpan<char> rest = text[0] is '-' or '+' ? text[1..] : text, exponentText = "0";
        int mark = rest.IndexOfAny('e', 'E');
        if (mark >= 0)
        {
            exponentText = rest[(mark + 1)..];
            rest = rest[..mark];
        }
        int point = rest.IndexOf('.');
        ReadOnlySpan<char> before = point < 0 ? rest : rest[..point], after = point < 0 ? "" : rest[(point + 1)..];
        if (before.Length + after.Length == 0 || !AreDigits(before) || !AreDigits(after) || !TryExponent(exponentText, out int exponent))
        {
            return false;
        }
        parts = new Parts(negative, string.Concat(before, after), exponent - after.Length);
        return true;
    }

    private static bool TryExponent(ReadOnlySpan<char> text, out int exponent)
    {
        exponent = 0;
        if (text.Length is 0 or > 8)
        {
            return false;
        }
        return AreDigits(text[0] is '-' or '+' ? text[1..] : text)
            && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent);
    }

    private static bool AreDigits(ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') < 0;

    /// <summary>The digits of an integer; false if the value has a fraction, or more digits than any integer type used here.</summary>
    private static bool TryInteger(Parts parts, out string digits)
    {
        digits = parts.Digits.TrimStart('0');
        if (digits.Length == 0)
        {
            digits = "0";
            return true;
        }
        if (parts.Exponent < 0)
        {
            int fraction = Math.Min(-parts.Exponent, digits.Length);
            bool whole = digits.AsSpan(digits.Length - fraction).IndexOfAnyExcept('0') < 0 && -parts.Exponent <= digits.Length;
            digits = digits[..^fraction];
            return whole && digits.Length > 0;
        }
        if (digits.Length + parts.Exponent > MostDigits)
        {
            return false;
        }
        digits += new string('0', parts.Exponent);
        return true;
    }

    /// <param name="Negative">Whether the sign is a minus.</param>
    /// <param name="Digits">All digits, without the point.</param>
    /// <param name="Exponent">The power of ten of the last digit.</param>
    private readonly record struct Parts(bool Negative, string Digits, int Exponent)
    {
        public bool IsZero => Digits.AsSpan().IndexOfAnyExcept('0') < 0;
    }
}

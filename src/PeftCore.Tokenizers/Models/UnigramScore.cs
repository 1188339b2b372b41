using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Reads a score as the reference's JSON parser (serde_json) does: the digits as one integer, rounded, then divided by a power of
/// ten, rounded again. That can differ from the nearest double in the last bit, which decides between paths of equal score.</summary>
internal static class UnigramScore
{
    private const int LargestPower = 308;

    public static double Parse(string text)
    {
        bool negative = text.StartsWith('-');
        int at = negative ? 1 : 0;
        var (digits, exponent, full) = (0UL, 0, false);
        bool fraction = false;
        for (; at < text.Length && text[at] is '.' or (>= '0' and <= '9'); at++)
        {
            if (text[at] == '.')
            {
                fraction = true;
                continue;
            }

            ulong digit = (ulong)(text[at] - '0');
            full |= digits > (ulong.MaxValue - digit) / 10;
            if (full)
            {
                // Digits beyond 64 bits raise the power of ten and are otherwise dropped.
                exponent += fraction ? 0 : 1;
                continue;
            }

            digits = digits * 10 + digit;
            exponent -= fraction ? 1 : 0;
        }

        if (at < text.Length)
        {
            exponent += (int)Math.Clamp(double.Parse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture),
                -100_000, 100_000);
        }

        return negative ? -Scale(digits, exponent) : Scale(digits, exponent);
    }

    private static double Scale(double value, int exponent)
    {
        while (value != 0 && exponent < -LargestPower)
        {
            value /= Power(LargestPower);
            exponent += LargestPower;
        }

        return value == 0 ? 0
            : exponent > LargestPower ? double.PositiveInfinity
            : exponent >= 0 ? value * Power(exponent)
            : value / Power(-exponent);
    }

    private static double Power(int exponent) => double.Parse($"1e{exponent}", NumberStyles.Float, CultureInfo.InvariantCulture);
}

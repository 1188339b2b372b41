using System.Globalization;
using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>Floats: Python's arithmetic, and their exact decimal digits.</summary>
internal static class JinjaFloats
{
    private const int MaxDigits = 1000;

    public static object Arithmetic(string name, double x, double y)
    {
        if (y == 0 && name is "/" or "//" or "%")
        {
            throw JinjaError.Of("it divides by zero");
        }

        return name switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => FloorDivide(x, y),
            "%" => Modulo(x, y),
            _ => Power(x, y),
        };
    }

    /// <summary>The digits of |value| rounded to a number of decimals (below zero: to tens, hundreds, …), half to even, as an integer of
    /// that unit.</summary>
    public static BigInteger Scaled(double value, int decimals)
    {
        if (Math.Abs(decimals) > MaxDigits)
        {
            throw JinjaError.Of($"it formats a number with more than {MaxDigits} digits");
        }

        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        int exponent = (int)(bits >> 52);
        var top = new BigInteger(exponent == 0 ? bits : (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000);
        int power = (exponent == 0 ? 1 : exponent) - 1075;
        var bottom = BigInteger.One;
        top = decimals > 0 ? top * BigInteger.Pow(10, decimals) : top;
        bottom = decimals < 0 ? BigInteger.Pow(10, -decimals) : bottom;
        (top, bottom) = power > 0 ? (top << power, bottom) : (top, bottom << -power);
        return HalfEven(top, bottom);
    }

    public static BigInteger HalfEven(BigInteger top, BigInteger bottom)
    {
        var quotient = BigInteger.DivRem(top, bottom, out var rest);
        int order = (rest * 2).CompareTo(bottom);
        return order > 0 || (order == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    public static double Round(double value, int decimals)
    {
        if (!double.IsFinite(value) || decimals > 323)
        {
            return value;
        }

        var scaled = decimals < -309 ? BigInteger.Zero : Scaled(value, decimals);
        double result = double.Parse($"{scaled}E{-decimals}", CultureInfo.InvariantCulture);
        return double.IsInfinity(result) ? throw JinjaError.Of("a rounded number is too large") : Math.CopySign(result, value);
    }

    private static double FloorDivide(double x, double y)
    {
        double modulo = x % y;
        double quotient = (x - modulo) / y;
        if (modulo != 0 && (y < 0) != (modulo < 0))
        {
            quotient -= 1;
        }

        if (quotient == 0)
        {
            return Math.CopySign(0, x / y);
        }

        double floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double Modulo(double x, double y)
    {
        double modulo = x % y;
        return modulo == 0 ? Math.CopySign(0, y) : (y < 0) != (modulo < 0) ? modulo + y : modulo;
    }

    private static double Power(double x, double y)
    {
        if (x == 0 && y < 0)
        {
            throw JinjaError.Of("it divides by zero");
        }

        if (x < 0 && double.IsFinite(x) && double.IsFinite(y) && Math.Floor(y) != y)
        {
            throw JinjaError.Of("it makes a complex number");
        }

        double result = Math.Pow(x, y);
        return double.IsInfinity(result) && double.IsFinite(x) && double.IsFinite(y)
            ? throw JinjaError.Of("a power is too large for a float") : result;
    }
}

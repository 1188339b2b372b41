using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>Numbers as Python has them: a bool is an integer, integers have no bounds (long, or BigInteger beyond), and floats are
/// doubles.</summary>
internal static class JinjaNumbers
{
    // Python refuses to print integers of more than 4300 digits.
    private const int MaxBits = 14_284;

    public static bool IsInteger(object? value) => value is long or bool or BigInteger;

    public static bool IsNumber(object? value) => value is double || IsInteger(value);

    public static BigInteger ToBig(object value) => value switch { long l => l, bool b => b ? 1 : 0, _ => (BigInteger)value };

    // The cast keeps the arms from becoming one type, which would be BigInteger.
    public static object Make(BigInteger value) => value >= long.MinValue && value <= long.MaxValue ? (object)(long)value
        : value.GetBitLength() <= MaxBits ? value
        : throw TooLarge();

    public static double ToDouble(object value) => value switch
    {
        double d => d,
        long l => l,
        bool b => b ? 1 : 0,
        _ => Divide((BigInteger)value, 1),
    };

    /// <summary>The order of two numbers, or null where one is not a number.</summary>
    public static int? Compare(object left, object right)
    {
        if (left is not double && right is not double)
        {
            return left is long a && right is long b ? a.CompareTo(b) : ToBig(left).CompareTo(ToBig(right));
        }

        if (left is double x && right is double y)
        {
            return double.IsNaN(x) || double.IsNaN(y) ? null : x.CompareTo(y);
        }

        return left is double real ? -CompareMixed(right, real) : CompareMixed(left, (double)right);
    }

    public static object Arithmetic(string name, object left, object right)
    {
        if (left is double || right is double || (name == "**" && ToBig(right).Sign < 0))
        {
            return JinjaFloats.Arithmetic(name, ToDouble(left), ToDouble(right));
        }

        var (a, b) = (ToBig(left), ToBig(right));
        if (name is "/" or "//" or "%" && b.IsZero)
        {
            throw JinjaError.Of("it divides by zero");
        }

        return name switch
        {
            "+" => Make(a + b),
            "-" => Make(a - b),
            "*" => Make(a * b),
            "/" => Divide(a, b),
            "//" => Make(FloorDivide(a, b)),
            "%" => Make(a - b * FloorDivide(a, b)),
            _ => Power(a, b),
        };
    }

    public static BigInteger FloorDivide(BigInteger a, BigInteger b)
    {
        var quotient = BigInteger.DivRem(a, b, out var rest);
        return !rest.IsZero && rest.Sign != b.Sign ? quotient - 1 : quotient;
    }

    /// <summary>The double nearest to a / b.</summary>
    public static double Divide(BigInteger a, BigInteger b)
    {
        var exact = BigInteger.Pow(2, 53);
        if (BigInteger.Abs(a) <= exact && BigInteger.Abs(b) <= exact)
        {
            return (double)a / (double)b;
        }

        var (top, bottom) = (BigInteger.Abs(a), BigInteger.Abs(b));
        int shift = 66 + (int)bottom.GetBitLength() - (int)top.GetBitLength();
        var quotient = BigInteger.DivRem(shift > 0 ? top << shift : top, shift > 0 ? bottom : bottom << -shift, out var rest);
        int excess = (int)quotient.GetBitLength() - 53;
        var (kept, half) = (quotient >> excess, BigInteger.One << (excess - 1));
        var cut = quotient & ((BigInteger.One << excess) - 1);
        bool up = cut > half || (cut == half && (!rest.IsZero || !kept.IsEven));
        double result = Math.ScaleB((double)(kept + (up ? 1 : 0)), excess - shift);
        return double.IsInfinity(result) ? throw JinjaError.Of("an integer is too large for a float") : a.Sign * b.Sign < 0
            ? -result : result;
    }

    private static int? CompareMixed(object integer, double real)
    {
        if (double.IsNaN(real))
        {
            return null;
        }

        if (double.IsInfinity(real))
        {
            return real > 0 ? -1 : 1;
        }

        int order = ToBig(integer).CompareTo(new BigInteger(Math.Floor(real)));
        return order != 0 ? order : Math.Floor(real) < real ? -1 : 0;
    }

    private static object Power(BigInteger a, BigInteger exponent)
    {
        if (a.IsZero || a.IsOne || a == -1 || exponent.IsZero)
        {
            return exponent.IsZero ? 1L : a == -1 && exponent.IsEven ? 1L : (long)a;
        }

        return (a.GetBitLength() - 1) * (double)exponent > MaxBits ? throw TooLarge() : Make(BigInteger.Pow(a, (int)exponent));
    }

    private static BadInputException TooLarge() => JinjaError.Of("it makes an integer of more than 4300 digits");
}

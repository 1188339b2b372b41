using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Exponential and hyperbolic tangent of vectors.</summary>
internal static class VectorMath
{
    // ln 2 in two parts, so that n·Ln2High is exact for every n in range.
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -0.00021219444170128554f;

    // Adding 1.5·2²³ rounds to a whole number and leaves it in the low bits.
    private const float Rounder = 12582912f;

    /// <summary>a·b + c, fused where the processor can.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> MultiplyAdd(Vector<float> a, Vector<float> b, Vector<float> c) => Vector.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Polynomial(Vector<float> x, float c0, float c1, float c2, float c3)
    {
        var y = MultiplyAdd(x, new Vector<float>(c3), new Vector<float>(c2));
        y = MultiplyAdd(x, y, new Vector<float>(c1));
        return MultiplyAdd(x, y, new Vector<float>(c0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Polynomial(Vector<float> x, float c0, float c1, float c2, float c3, float c4)
    {
        var y = Polynomial(x, c1, c2, c3, c4);
        return MultiplyAdd(x, y, new Vector<float>(c0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Polynomial(Vector<float> x, float c0, float c1, float c2, float c3, float c4, float c5)
    {
        var y = Polynomial(x, c1, c2, c3, c4, c5);
        return MultiplyAdd(x, y, new Vector<float>(c0));
    }

    /// <summary>|magnitude| with the sign of <paramref name="sign"/>, for a magnitude that is not negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> WithSign(Vector<float> magnitude, Vector<float> sign) =>
        Vector.BitwiseOr(magnitude, Vector.BitwiseAnd(sign, new Vector<float>(-0f)));

    /// <summary>eˣ, within 2 ulp where the result is a normal number, with the correct 0, ∞ and NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Exp(Vector<float> x)
    {
        var c = Clamp(x, -104f, 89f);
        Reduce(c, out var p, out var n);
        // Two factors, since 2ⁿ alone leaves the range of normal numbers at both ends.
        var half = Vector.ShiftRightArithmetic(n, 1);
        var y = (Vector<float>.One + p) * Power(half) * Power(n - half);
        return Vector.ConditionalSelect(Vector.Equals(x, x), y, x);
    }

    /// <summary>eˣ for x up to 80, within 2 ulp; 0 below −87, the end of the normal numbers. The exponential of a softmax.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> ExpDown(Vector<float> x)
    {
        // The bound comes first: the processor's maximum of (bound, NaN) is then NaN.
        Vector<float> bound = new(-87f);
        Reduce(Vector.MaxNative(bound, x), out var p, out var n);
        var power = Power(n);
        return Vector.ConditionalSelect(Vector.LessThan(x, bound), Vector<float>.Zero, MultiplyAdd(power, p, power));
    }

    /// <summary>tanh x, within 4 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Tanh(Vector<float> x)
    {
        // With m = e^2|x| − 1, tanh|x| = m / (m + 2); m keeps its relative accuracy near 0.
        var c = Clamp(Vector.Abs(x), 0f, 10f);
        Reduce(c + c, out var p, out var n);
        var power = Power(n);
        var m = MultiplyAdd(power, p, power - Vector<float>.One);
        var y = WithSign(m / (m + new Vector<float>(2f)), x);
        return Vector.ConditionalSelect(Vector.Equals(x, x), y, x);
    }

    // x = n·ln 2 + r with |r| ≤ ln 2 / 2; p = e^r − 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Reduce(Vector<float> x, out Vector<float> p, out Vector<int> n)
    {
        Vector<float> rounder = new(Rounder);
        var shifted = MultiplyAdd(x, new Vector<float>(Log2E), rounder);
        n = Vector.AsVectorInt32(shifted) - Vector.AsVectorInt32(rounder);
        var whole = shifted - rounder;
        var r = MultiplyAdd(whole, new Vector<float>(-Ln2High), x);
        r = MultiplyAdd(whole, new Vector<float>(-Ln2Low), r);
        var q = Polynomial(r, 0.5f, 0.16666576266288757f, 0.041666556149721146f, 0.008363178931176662f, 0.0013926184037700295f);
        p = MultiplyAdd(r * r, q, r);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Power(Vector<int> n) =>
        Vector.AsVectorSingle(Vector.ShiftLeft(n + new Vector<int>(127), 23));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Clamp(Vector<float> x, float low, float high) =>
        Vector.MinNative(Vector.MaxNative(x, new Vector<float>(low)), new Vector<float>(high));
}

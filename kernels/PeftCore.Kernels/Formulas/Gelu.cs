using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = x·Φ(x), Φ the normal distribution function;  dy/dx = Φ(x) + x·φ(x), φ the normal density (Hendrycks and Gimpel
/// 2016). The vector forms compute Φ from its tail, the scalar forms, their twin, from the error function.</summary>
internal readonly struct Gelu : IUnaryFormula
{
    private const float InverseRoot2 = 0.707106781f;
    private const float InverseRootTau = 0.398942280f; // 1/√(2π)

    // Φ(−x) is 0 from here on, and x times it too.
    private const float Last = 14f;

    private const float K = 0.38f;
    private const float P0 = 0.1519509255886078f;
    private const float P1 = 0.14613912999629974f;
    private const float P2 = 0.16574738919734955f;
    private const float P3 = -0.04572743922472f;
    private const float P4 = 0.31571030616760254f;
    private const float P5 = -0.38078293204307556f;
    private const float P6 = 0.17826813459396362f;
    private const float P7 = -0.03130553662776947f;

    /// <inheritdoc/>
    public static float Forward(float x) => 0.5f * x * (1f + Erf.Forward(InverseRoot2 * x));

    /// <inheritdoc/>
    public static float Derivative(float x) =>
        (0.5f * (1f + Erf.Forward(InverseRoot2 * x))) + (x * InverseRootTau * MathF.Exp(-0.5f * x * x));

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x)
    {
        var tail = Tail(x, out var bounded, out _);
        return Vector.MaxNative(Vector<float>.Zero, x) - (bounded * tail);
    }

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var tail = Tail(x, out var bounded, out var bell);
        var area = Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), tail, Vector<float>.One - tail);
        return VectorMath.MultiplyAdd(VectorMath.WithSign(bounded * new Vector<float>(InverseRootTau), x), bell, area);
    }

    /// <summary>Φ(−|x|) as e^(−x²/2)·u·P(u), u = 1/(1 + K·|x|), a form of Abramowitz and Stegun (1964), 26.2.17, with P fitted at Chebyshev
    /// nodes of u for |x| ≤ 6: relative error below 10⁻⁷ there, below 2.5·10⁻⁶ with the rounding of x²; absolute error below
    /// 2·10⁻⁷ everywhere. One exponential serves the function and its derivative.</summary>
    /// <param name="x">x</param>
    /// <param name="bounded">|x|, at most <see cref="Last"/>.</param>
    /// <param name="bell">e^(−x²/2).</param>
    private static Vector<float> Tail(Vector<float> x, out Vector<float> bounded, out Vector<float> bell)
    {
        // The bound comes first: the processor's minimum of (bound, NaN) is then NaN.
        bounded = Vector.MinNative(new Vector<float>(Last), Vector.Abs(x));
        bell = VectorMath.ExpDown(bounded * bounded * new Vector<float>(-0.5f));
        var u = Vector<float>.One / VectorMath.MultiplyAdd(bounded, new Vector<float>(K), Vector<float>.One);
        var low = VectorMath.Polynomial(u, P0, P1, P2, P3);
        var high = VectorMath.Polynomial(u, P4, P5, P6, P7);
        var square = u * u;
        return VectorMath.MultiplyAdd(square * square, high, low) * (u * bell);
    }
}

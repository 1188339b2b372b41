using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = x·Φ(x), Φ the normal distribution function;  dy/dx = Φ(x) + x·φ(x), φ the normal density (Hendrycks and Gimpel
/// 2016).</summary>
internal readonly struct Gelu : IUnaryFormula
{
    private const float InverseRoot2 = 0.707106781f;
    private const float InverseRootTau = 0.398942280f; // 1/√(2π)

    /// <inheritdoc/>
    public static float Forward(float x) => 0.5f * x * (1f + Erf.Forward(InverseRoot2 * x));

    /// <inheritdoc/>
    public static float Derivative(float x) =>
        (0.5f * (1f + Erf.Forward(InverseRoot2 * x))) + (x * InverseRootTau * MathF.Exp(-0.5f * x * x));

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) =>
        0.5f * x * (Vector<float>.One + Erf.Forward(InverseRoot2 * x));

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) =>
        (0.5f * (Vector<float>.One + Erf.Forward(InverseRoot2 * x))) + (InverseRootTau * x * VectorMath.Exp(-0.5f * x * x));
}

using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = ln(1 + eˣ);  dy/dx = σ(x). Computed as max(x, 0) + ln(1 + e⁻|x|), which does not overflow.</summary>
internal readonly struct Softplus : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x)
    {
        float magnitude = x < 0f ? -x : x;
        return (x > 0f ? x : 0f) + MathF.Log(1f + MathF.Exp(-magnitude));
    }

    /// <inheritdoc/>
    public static float Derivative(float x) => Sigmoid.Forward(x);

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) =>
        Vector.Max(x, Vector<float>.Zero) + Log.Forward(Vector<float>.One + Exp.Forward(-Vector.Abs(x)));

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) => Sigmoid.Forward(x);
}

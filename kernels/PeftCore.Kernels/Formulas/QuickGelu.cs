using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = x·σ(1.702·x);  dy/dx = s·(1 + 1.702·x·(1 − s)) with s = σ(1.702·x).  CLIP&apos;s approximation of GELU.</summary>
internal readonly struct QuickGelu : IUnaryFormula
{
    private const float Slope = 1.702f;

    /// <inheritdoc/>
    public static float Forward(float x) => x * Sigmoid.Forward(Slope * x);

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float s = Sigmoid.Forward(Slope * x);
        return s * (1f + (Slope * x * (1f - s)));
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => x * Sigmoid.Forward(Slope * x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var s = Sigmoid.Forward(Slope * x);
        return s * (Vector<float>.One + (Slope * x * (Vector<float>.One - s)));
    }
}

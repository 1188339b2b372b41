using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = x·σ(x);  dy/dx = σ(x)·(1 + x·(1 − σ(x))).  Also called swish.</summary>
internal readonly struct Silu : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => x * Sigmoid.Forward(x);

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float s = Sigmoid.Forward(x);
        return s * (1f + (x * (1f - s)));
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => x * Sigmoid.Forward(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var s = Sigmoid.Forward(x);
        return s * (Vector<float>.One + (x * (Vector<float>.One - s)));
    }
}

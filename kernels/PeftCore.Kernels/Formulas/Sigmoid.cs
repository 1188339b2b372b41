using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = σ(x) = 1 / (1 + e⁻ˣ);  dy/dx = y·(1 − y).</summary>
internal readonly struct Sigmoid : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => 1f / (1f + MathF.Exp(-x));

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float y = Forward(x);
        return y * (1f - y);
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => Vector<float>.One / (Vector<float>.One + VectorMath.Exp(-x));

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var y = Forward(x);
        return y * (Vector<float>.One - y);
    }
}

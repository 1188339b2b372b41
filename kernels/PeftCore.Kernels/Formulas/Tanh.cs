using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = tanh(x);  dy/dx = 1 − y².</summary>
public readonly struct Tanh : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => MathF.Tanh(x);

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float y = MathF.Tanh(x);
        return 1f - (y * y);
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => VectorMath.Tanh(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        Vector<float> y = VectorMath.Tanh(x);
        return Vector<float>.One - (y * y);
    }
}

using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = 1/x;  dy/dx = −1/x².</summary>
internal readonly struct Reciprocal : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => 1f / x;

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float y = 1f / x;
        return -y * y;
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => Vector<float>.One / x;

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var y = Vector<float>.One / x;
        return -y * y;
    }
}

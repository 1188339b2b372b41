using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = max(x, 0)²;  dy/dx = 2·max(x, 0).</summary>
internal readonly struct ReluSquared : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x)
    {
        float y = Relu.Forward(x);
        return y * y;
    }

    /// <inheritdoc/>
    public static float Derivative(float x) => 2f * Relu.Forward(x);

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x)
    {
        var y = Relu.Forward(x);
        return y * y;
    }

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) => 2f * Relu.Forward(x);
}

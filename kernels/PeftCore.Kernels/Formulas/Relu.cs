using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = max(x, 0);  dy/dx = 1 where x &gt; 0, else 0.</summary>
internal readonly struct Relu : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => x < 0f ? 0f : x;

    /// <inheritdoc/>
    public static float Derivative(float x) => x > 0f ? 1f : 0f;

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) =>
        Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) =>
        Vector.ConditionalSelect(Vector.GreaterThan(x, Vector<float>.Zero), Vector<float>.One, Vector<float>.Zero);
}

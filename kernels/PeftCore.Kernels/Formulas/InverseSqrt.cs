using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = 1/√x;  dy/dx = −1/(2·x·√x).</summary>
internal readonly struct InverseSqrt : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => 1f / MathF.Sqrt(x);

    /// <inheritdoc/>
    public static float Derivative(float x) => -0.5f / (x * MathF.Sqrt(x));

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => Vector<float>.One / Vector.SquareRoot(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) => new Vector<float>(-0.5f) / (x * Vector.SquareRoot(x));
}

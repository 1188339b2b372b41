using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = ln x;  dy/dx = 1/x. −∞ at 0, NaN below.</summary>
internal readonly struct Log : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => MathF.Log(x);

    /// <inheritdoc/>
    public static float Derivative(float x) => 1f / x;

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => Vector.Log(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) => Vector<float>.One / x;
}

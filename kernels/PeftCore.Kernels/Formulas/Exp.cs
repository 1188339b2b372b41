using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = eˣ;  dy/dx = eˣ.</summary>
internal readonly struct Exp : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x) => MathF.Exp(x);

    /// <inheritdoc/>
    public static float Derivative(float x) => MathF.Exp(x);

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => VectorMath.Exp(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x) => VectorMath.Exp(x);
}

using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = tanh(x);  dy/dx = 1 − y².</summary>
internal readonly struct Tanh : IUnaryFormula
{
    /// <inheritdoc/>
    public static float Forward(float x)
    {
        // GPUs' own tanh has 11 bits. With m = e^2|x| − 1, tanh|x| = m / (m + 2); near 0 a series keeps the relative accuracy.
        float a = x < 0f ? -x : x;
        float t = a * a;
        float near = a *
            (1f + (t * (-0.333333333f + (t * (0.133333333f + (t * (-0.0539682540f + (t * (0.0218694885f + (t * -0.00886323553f))))))))));
        float m = MathF.Exp(2f * (a > 10f ? 10f : a)) - 1f;
        float y = a < 0.25f ? near : m / (m + 2f);
        y = x < 0f ? -y : y;
        return a > 0f || a == 0f ? y : x;
    }

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float y = Forward(x);
        return 1f - (y * y);
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x) => VectorMath.Tanh(x);

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var y = VectorMath.Tanh(x);
        return Vector<float>.One - (y * y);
    }
}

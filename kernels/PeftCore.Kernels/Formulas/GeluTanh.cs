using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>y = x/2·(1 + tanh u), u = √(2/π)·(x + 0.044715·x³);  dy/dx = (1 + t)/2 + x/2·(1 − t²)·du/dx with t = tanh u.  GPT-2&apos;s
/// &quot;gelu_new&quot; (Hendrycks and Gimpel 2016).</summary>
internal readonly struct GeluTanh : IUnaryFormula
{
    private const float Root = 0.797884561f; // √(2/π)
    private const float Cubic = 0.044715f;

    /// <inheritdoc/>
    public static float Forward(float x) => 0.5f * x * (1f + Tanh.Forward(Root * x * (1f + (Cubic * x * x))));

    /// <inheritdoc/>
    public static float Derivative(float x)
    {
        float t = Tanh.Forward(Root * x * (1f + (Cubic * x * x)));
        float slope = Root * (1f + (3f * Cubic * x * x));
        return 0.5f * (1f + t + (x * (1f - (t * t)) * slope));
    }

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> x)
    {
        var t = VectorMath.Tanh(Root * x * (Vector<float>.One + (Cubic * x * x)));
        return 0.5f * x * (Vector<float>.One + t);
    }

    /// <inheritdoc/>
    public static Vector<float> Derivative(Vector<float> x)
    {
        var squared = x * x;
        var t = VectorMath.Tanh(Root * x * (Vector<float>.One + (Cubic * squared)));
        var slope = Root * (Vector<float>.One + (3f * Cubic * squared));
        return 0.5f * (Vector<float>.One + t + (x * (Vector<float>.One - (t * t)) * slope));
    }
}

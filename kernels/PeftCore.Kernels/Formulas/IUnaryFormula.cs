using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>
/// A function of one number and its derivative, for all devices. The scalar forms use only arithmetic and functions such as MathF.Exp and
/// Sqrt, so that they compile for a GPU; the CPU's loops use the vector forms.
/// </summary>
internal interface IUnaryFormula
{
    /// <summary>f(x).</summary>
    static abstract float Forward(float x);

    /// <summary>df/dx at x.</summary>
    static abstract float Derivative(float x);

    /// <summary>f of each element.</summary>
    static abstract Vector<float> Forward(Vector<float> x);

    /// <summary>df/dx at each element.</summary>
    static abstract Vector<float> Derivative(Vector<float> x);
}

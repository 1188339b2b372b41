using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>
/// A function of one number and its derivative, written once for every device. The scalar forms use arithmetic and
/// MathF.Exp, Sqrt and the like only, so that they compile for a GPU; the vector forms serve the CPU's loops.
/// </summary>
public interface IUnaryFormula
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

using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>h = f(gate)·up: SwiGLU with SiLU, GeGLU with GELU.</summary>
internal readonly struct Glu<TFormula> : IGluFormula where TFormula : struct, IUnaryFormula
{
    /// <inheritdoc/>
    public static bool IsInterleaved => false;

    /// <inheritdoc/>
    public static float Forward(float gate, float up) => TFormula.Forward(gate) * up;

    /// <inheritdoc/>
    public static float GateDerivative(float gate, float up) => TFormula.Derivative(gate) * up;

    /// <inheritdoc/>
    public static float UpDerivative(float gate, float up) => TFormula.Forward(gate);

    /// <inheritdoc/>
    public static Vector<float> Forward(Vector<float> gate, Vector<float> up) => TFormula.Forward(gate) * up;

    /// <inheritdoc/>
    public static Vector<float> GateDerivative(Vector<float> gate, Vector<float> up) => TFormula.Derivative(gate) * up;

    /// <inheritdoc/>
    public static Vector<float> UpDerivative(Vector<float> gate, Vector<float> up) => TFormula.Forward(gate);
}

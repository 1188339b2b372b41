using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>A gated linear unit h(gate, up) with its partial derivatives, for all devices (Shazeer 2020, "GLU Variants Improve
/// Transformer"). The gate and the up projection lie in one row of 2n columns.</summary>
internal interface IGluFormula
{
    /// <summary>Whether columns alternate between gate and up. Otherwise the gates are the first half of the row.</summary>
    static abstract bool IsInterleaved { get; }

    /// <summary>h(gate, up).</summary>
    static abstract float Forward(float gate, float up);

    /// <summary>∂h/∂gate.</summary>
    static abstract float GateDerivative(float gate, float up);

    /// <summary>∂h/∂up.</summary>
    static abstract float UpDerivative(float gate, float up);

    /// <summary>h of each element.</summary>
    static abstract Vector<float> Forward(Vector<float> gate, Vector<float> up);

    /// <summary>∂h/∂gate of each element.</summary>
    static abstract Vector<float> GateDerivative(Vector<float> gate, Vector<float> up);

    /// <summary>∂h/∂up of each element.</summary>
    static abstract Vector<float> UpDerivative(Vector<float> gate, Vector<float> up);
}

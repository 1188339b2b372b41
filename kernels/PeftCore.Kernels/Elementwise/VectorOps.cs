using System.Numerics;

namespace PeftCore.Kernels;

internal readonly struct Sum : IVectorZip
{
    public Vector<float> Apply(Vector<float> a, Vector<float> b) => a + b;
}

internal readonly struct Product : IVectorZip
{
    public Vector<float> Apply(Vector<float> a, Vector<float> b) => a * b;
}

internal readonly struct Scaling(float factor) : IVectorMap
{
    private readonly float _factor = factor;

    public Vector<float> Apply(Vector<float> x) => x * _factor;
}

/// <summary>f(x).</summary>
internal readonly struct FormulaValue<TFormula> : IVectorMap
    where TFormula : struct, IUnaryFormula
{
    public Vector<float> Apply(Vector<float> x) => TFormula.Forward(x);
}

/// <summary>f(gate)·up.</summary>
internal readonly struct FormulaGate<TFormula> : IVectorZip
    where TFormula : struct, IUnaryFormula
{
    public Vector<float> Apply(Vector<float> a, Vector<float> b) => TFormula.Forward(a) * b;
}

/// <summary>f'(x)·dy.</summary>
internal readonly struct FormulaSlope<TFormula> : IVectorZip
    where TFormula : struct, IUnaryFormula
{
    public Vector<float> Apply(Vector<float> a, Vector<float> b) => TFormula.Derivative(a) * b;
}

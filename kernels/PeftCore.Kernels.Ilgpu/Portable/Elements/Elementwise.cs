using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>A function of two elements and one number.</summary>
internal interface IPointwise
{
    static abstract float Apply(float a, float b, float scalar);
}

/// <summary>Arguments of <see cref="Pointwise{TOp}"/>; where an op takes one element, B is A.</summary>
internal struct PointwiseArgs
{
    public ArrayView<float> A, B, Y;
    public float Scalar;
    public int Accumulate;
}

/// <summary>y (+)= op(a, b), element by element.</summary>
internal readonly struct Pointwise<TOp> : IKernel<PointwiseArgs> where TOp : struct, IPointwise
{
    public static void Run(PointwiseArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            float value = TOp.Apply(args.A[i], args.B[i], args.Scalar);
            args.Y[i] = args.Accumulate != 0 ? args.Y[i] + value : value;
        }
    }
}

/// <summary>f(a).</summary>
internal readonly struct ValueOf<TFormula> : IPointwise where TFormula : struct, IUnaryFormula
{
    public static float Apply(float a, float b, float scalar) => TFormula.Forward(a);
}

/// <summary>b·f′(a).</summary>
internal readonly struct SlopeOf<TFormula> : IPointwise where TFormula : struct, IUnaryFormula
{
    public static float Apply(float a, float b, float scalar) => b * TFormula.Derivative(a);
}

/// <summary>f(a)·b.</summary>
internal readonly struct GateOf<TFormula> : IPointwise where TFormula : struct, IUnaryFormula
{
    public static float Apply(float a, float b, float scalar) => TFormula.Forward(a) * b;
}

internal readonly struct Plus : IPointwise
{
    public static float Apply(float a, float b, float scalar) => a + b;
}

internal readonly struct Times : IPointwise
{
    public static float Apply(float a, float b, float scalar) => a * b;
}

internal readonly struct Scaled : IPointwise
{
    public static float Apply(float a, float b, float scalar) => a * scalar;
}

/// <summary>y (+)= x·scalar[0], with the scalar in device memory.</summary>
internal readonly struct ScaleByDevice : IKernel<PointwiseArgs>
{
    public static void Run(PointwiseArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            float value = args.A[i] * args.B[0];
            args.Y[i] = args.Accumulate != 0 ? args.Y[i] + value : value;
        }
    }
}

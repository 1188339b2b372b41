using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Elements;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>Arguments of element-by-element kernels on BF16, eight elements per thread; where an op takes one tensor, B is A.</summary>
internal struct PointwiseBf16x8Args
{
    public ArrayView<Bf16x8> A, B, Y;
    public ArrayView<float> Device;
    public float Scalar;
    public int Accumulate;
}

/// <summary><see cref="Pointwise{TOp}"/> on BF16.</summary>
internal readonly struct PointwiseBf16x8<TOp> : IKernel<PointwiseBf16x8Args> where TOp : struct, IPointwise
{
    public static void Run(PointwiseBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            var y = Each<TOp>.Apply(Bf16x8.ToFloat(args.A[i]), Bf16x8.ToFloat(args.B[i]), args.Scalar);
            if (args.Accumulate != 0)
            {
                y += Bf16x8.ToFloat(args.Y[i]);
            }

            args.Y[i] = Bf16x8.FromFloat(y);
        }
    }
}

/// <summary><see cref="ScaleByDevice"/> on BF16.</summary>
internal readonly struct ScaleByDeviceBf16x8 : IKernel<PointwiseBf16x8Args>
{
    public static void Run(PointwiseBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            var y = Bf16x8.ToFloat(args.A[i]) * args.Device[0];
            if (args.Accumulate != 0)
            {
                y += Bf16x8.ToFloat(args.Y[i]);
            }

            args.Y[i] = Bf16x8.FromFloat(y);
        }
    }
}

internal struct GatedGradientBf16x8Args
{
    public ArrayView<Bf16x8> Gate, Up, DOut, DGate, DUp;
}

/// <summary><see cref="GatedGradient{TFormula}"/> on BF16; outputs may overwrite inputs.</summary>
internal readonly struct GatedGradientBf16x8<TFormula> : IKernel<GatedGradientBf16x8Args> where TFormula : struct, IUnaryFormula
{
    public static void Run(GatedGradientBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Gate.Length)
        {
            Float32x8 gate = Bf16x8.ToFloat(args.Gate[i]), up = Bf16x8.ToFloat(args.Up[i]), d = Bf16x8.ToFloat(args.DOut[i]);
            args.DGate[i] = Bf16x8.FromFloat(Each<SlopeOf<TFormula>>.Apply(gate, d * up, 0));
            args.DUp[i] = Bf16x8.FromFloat(Each<GateOf<TFormula>>.Apply(gate, d, 0));
        }
    }
}

internal struct CastBf16x8Args
{
    public ArrayView<Bf16x8> Elements;
    public ArrayView<Float4x2> Floats;
}

/// <summary><see cref="CastToFloat{TElement}"/> of BF16, eight elements per thread.</summary>
internal readonly struct CastToFloatBf16x8 : IKernel<CastBf16x8Args>
{
    public static void Run(CastBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Elements.Length)
        {
            args.Floats[i] = Float4x2.FromFloat(Bf16x8.ToFloat(args.Elements[i]));
        }
    }
}

/// <summary><see cref="CastFromFloat{TElement}"/> to BF16, eight elements per thread.</summary>
internal readonly struct CastFromFloatBf16x8 : IKernel<CastBf16x8Args>
{
    public static void Run(CastBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Elements.Length)
        {
            args.Elements[i] = Bf16x8.FromFloat(Float4x2.ToFloat(args.Floats[i]));
        }
    }
}

/// <summary>Applies a function to each of eight elements. Written out, because loops over registers do not unroll.</summary>
internal static class Each<TOp> where TOp : struct, IPointwise
{
    public static Float32x8 Apply(Float32x8 a, Float32x8 b, float scalar) => new()
    {
        A = TOp.Apply(a.A, b.A, scalar),
        B = TOp.Apply(a.B, b.B, scalar),
        C = TOp.Apply(a.C, b.C, scalar),
        D = TOp.Apply(a.D, b.D, scalar),
        E = TOp.Apply(a.E, b.E, scalar),
        F = TOp.Apply(a.F, b.F, scalar),
        G = TOp.Apply(a.G, b.G, scalar),
        H = TOp.Apply(a.H, b.H, scalar),
    };
}

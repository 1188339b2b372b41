using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Elements;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>Arguments of kernels over eight BF16 elements a thread; where an op takes one tensor, B is A.</summary>
internal struct Pointwise8Args
{
    public ArrayView<Eight> A, B, Y;
    public ArrayView<float> Device;
    public float Scalar;
    public int Accumulate;
}

/// <summary><see cref="Pointwise{TOp}"/> on BF16.</summary>
internal readonly struct Pointwise8<TOp> : IKernel<Pointwise8Args> where TOp : struct, IPointwise
{
    public static void Run(Pointwise8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            Floats8 y = Each<TOp>.Apply(Eight.ToFloat(args.A[i]), Eight.ToFloat(args.B[i]), args.Scalar);
            if (args.Accumulate != 0)
            {
                y += Eight.ToFloat(args.Y[i]);
            }

            args.Y[i] = Eight.FromFloat(y);
        }
    }
}

/// <summary><see cref="ScaleByDevice"/> on BF16.</summary>
internal readonly struct ScaleByDevice8 : IKernel<Pointwise8Args>
{
    public static void Run(Pointwise8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            Floats8 y = Eight.ToFloat(args.A[i]) * args.Device[0];
            if (args.Accumulate != 0)
            {
                y += Eight.ToFloat(args.Y[i]);
            }

            args.Y[i] = Eight.FromFloat(y);
        }
    }
}

internal struct GatedGradient8Args
{
    public ArrayView<Eight> Gate, Up, DOut, DGate, DUp;
}

/// <summary><see cref="GatedGradient{TFormula}"/> on BF16; outputs may take inputs' places here too.</summary>
internal readonly struct GatedGradient8<TFormula> : IKernel<GatedGradient8Args> where TFormula : struct, IUnaryFormula
{
    public static void Run(GatedGradient8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Gate.Length)
        {
            Floats8 gate = Eight.ToFloat(args.Gate[i]), up = Eight.ToFloat(args.Up[i]), d = Eight.ToFloat(args.DOut[i]);
            args.DGate[i] = Eight.FromFloat(Each<SlopeOf<TFormula>>.Apply(gate, d * up, 0));
            args.DUp[i] = Eight.FromFloat(Each<GateOf<TFormula>>.Apply(gate, d, 0));
        }
    }
}

internal struct Cast8Args
{
    public ArrayView<Eight> Elements;
    public ArrayView<Wide8> Floats;
}

/// <summary>BF16 to float32.</summary>
internal readonly struct CastToFloat8 : IKernel<Cast8Args>
{
    public static void Run(Cast8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Elements.Length)
        {
            args.Floats[i] = Wide8.FromFloat(Eight.ToFloat(args.Elements[i]));
        }
    }
}

/// <summary>float32 to BF16, rounding to nearest even.</summary>
internal readonly struct CastFromFloat8 : IKernel<Cast8Args>
{
    public static void Run(Cast8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Elements.Length)
        {
            args.Elements[i] = Eight.FromFloat(Wide8.ToFloat(args.Floats[i]));
        }
    }
}

/// <summary>A function of two elements, eight times: loops over registers do not unroll.</summary>
internal static class Each<TOp> where TOp : struct, IPointwise
{
    public static Floats8 Apply(Floats8 a, Floats8 b, float scalar) => new()
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

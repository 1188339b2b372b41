using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

internal struct GatedGradientArgs
{
    public ArrayView<float> Gate, Up, DOut, DGate, DUp;
}

/// <summary>dgate = dh·up·f′(gate), dup = dh·f(gate); each thread reads all it needs before it writes, so that outputs may
/// overwrite inputs.</summary>
internal readonly struct GatedGradient<TFormula> : IKernel<GatedGradientArgs> where TFormula : struct, IUnaryFormula
{
    public static void Run(GatedGradientArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Gate.Length)
        {
            float gate = args.Gate[i], up = args.Up[i], d = args.DOut[i];
            args.DGate[i] = d * up * TFormula.Derivative(gate);
            args.DUp[i] = d * TFormula.Forward(gate);
        }
    }
}

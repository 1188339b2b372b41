using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

internal struct FillUniformArgs
{
    public ArrayView<float> Y;
    public float Low, High;
    public ulong Seed, Stream;

    /// <summary>The element of the stream that y[0] is.</summary>
    public long First;
}

/// <summary>y[i] = low + (high − low)·u, the uniform number u of element first + i: bit by bit as the CPU draws it if high − low is a power
/// of two.</summary>
internal readonly struct FillUniform : IKernel<FillUniformArgs>
{
    public static void Run(FillUniformArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            args.Y[i] = args.Low + ((args.High - args.Low) * Philox.Uniform(args.Seed, args.Stream, (ulong)(args.First + i)));
        }
    }
}

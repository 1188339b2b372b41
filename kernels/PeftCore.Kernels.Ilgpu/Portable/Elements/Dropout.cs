using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

internal struct DropoutArgs
{
    public ArrayView<float> X, Y;
    public float Probability, Scale;
    public ulong Seed, Stream;

    /// <summary>See <see cref="DropoutStream"/>.</summary>
    public ArrayView<ulong> Passes;
    public int Accumulate;
}

/// <summary>y[i] (+)= x[i]·scale where the uniform number of element i is at least the probability, else 0; the mask is
/// recomputed, never stored.</summary>
internal readonly struct Dropout : IKernel<DropoutArgs>
{
    public static void Run(DropoutArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            float uniform = Philox.Uniform(args.Seed, DropoutStream.At(args.Stream, args.Passes), (ulong)i);
            float value = uniform >= args.Probability ? args.X[i] * args.Scale : 0f;
            args.Y[i] = args.Accumulate != 0 ? args.Y[i] + value : value;
        }
    }
}

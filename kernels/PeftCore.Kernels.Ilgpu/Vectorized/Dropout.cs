using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct DropoutBf16x8Args
{
    public ArrayView<Bf16x8> X, Y;
    public float Probability, Scale;
    public ulong Seed, Stream;

    /// <summary>See <see cref="DropoutStream"/>.</summary>
    public ArrayView<ulong> Passes;
    public int Accumulate;
}

/// <summary><see cref="Portable.Elements.Dropout"/> on BF16: the random words of two counters are those of eight elements.</summary>
internal readonly struct DropoutBf16x8 : IKernel<DropoutBf16x8Args>
{
    public static void Run(DropoutBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            ulong stream = DropoutStream.At(args.Stream, args.Passes), counter = 2 * (ulong)i;
            RandomWords low = Philox.Next(args.Seed, stream, counter), high = Philox.Next(args.Seed, stream, counter + 1);
            float p = args.Probability;
            var x = Bf16x8.ToFloat(args.X[i]) * args.Scale;
            var y = new Float32x8
            {
                A = Kept(x.A, low.X, p), B = Kept(x.B, low.Y, p), C = Kept(x.C, low.Z, p), D = Kept(x.D, low.W, p),
                E = Kept(x.E, high.X, p), F = Kept(x.F, high.Y, p), G = Kept(x.G, high.Z, p), H = Kept(x.H, high.W, p),
            };
            if (args.Accumulate != 0)
            {
                y += Bf16x8.ToFloat(args.Y[i]);
            }

            args.Y[i] = Bf16x8.FromFloat(y);
        }
    }

    private static float Kept(float value, uint word, float probability) => Philox.Uniform(word) >= probability ? value : 0f;
}

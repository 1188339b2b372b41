using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Experts;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>Arguments of the row kernels of experts on BF16; columns are counted in vectors of eight.</summary>
internal struct ExpertRowsBf16x8Args
{
    public ArrayView<Bf16x8> X, Y;
    public ArrayView<int> Index;
    public int Vectors, K, Accumulate;
}

/// <summary><see cref="DispatchRows{TElement}"/> on BF16, eight elements per thread.</summary>
internal readonly struct DispatchRowsBf16x8 : IKernel<ExpertRowsBf16x8Args>
{
    public static void Run(ExpertRowsBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            var x = args.X[((long)(args.Index[i / args.Vectors] / args.K) * args.Vectors) + (i % args.Vectors)];
            if (args.Accumulate != 0)
            {
                x = Bf16x8.FromFloat(Bf16x8.ToFloat(x) + Bf16x8.ToFloat(args.Y[i]));
            }

            args.Y[i] = x;
        }
    }
}

/// <summary><see cref="CombineRows{TElement}"/> on BF16, eight elements per thread.</summary>
internal readonly struct CombineRowsBf16x8 : IKernel<ExpertRowsBf16x8Args>
{
    public static void Run(ExpertRowsBf16x8Args args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            long row = i / args.Vectors * args.K, column = i % args.Vectors;
            Float32x8 sum = default;
            if (args.Accumulate != 0)
            {
                sum = Bf16x8.ToFloat(args.Y[i]);
            }

            for (int j = 0; j < args.K; j++)
            {
                sum += Bf16x8.ToFloat(args.X[((long)args.Index[row + j] * args.Vectors) + column]);
            }

            args.Y[i] = Bf16x8.FromFloat(sum);
        }
    }
}

using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>Arguments of <see cref="CopyColumnsBf16x8"/>; strides and columns are counted in vectors of eight.</summary>
internal struct CopyColumnsBf16x8Args
{
    public ArrayView<Bf16x8> From, To;
    public int FromStride, FromColumn, ToStride, ToColumn, Vectors, Rows, Accumulate;
}

/// <summary><see cref="CopyColumns{TElement}"/> on BF16, eight elements per thread.</summary>
internal readonly struct CopyColumnsBf16x8 : IKernel<CopyColumnsBf16x8Args>
{
    public static void Run(CopyColumnsBf16x8Args args)
    {
        long i = Threads.Linear(), r = i / args.Vectors, c = i - (r * args.Vectors);
        if (r < args.Rows)
        {
            var x = args.From[(r * args.FromStride) + args.FromColumn + c];
            long to = (r * args.ToStride) + args.ToColumn + c;
            if (args.Accumulate != 0)
            {
                x = Bf16x8.FromFloat(Bf16x8.ToFloat(args.To[to]) + Bf16x8.ToFloat(x));
            }

            args.To[to] = x;
        }
    }
}

using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct LayerBf16x8Args<TWeight> where TWeight : unmanaged
{
    public ArrayView<Bf16x8> X, Y, DOut, DX;
    public ArrayView<float> Mean, Rstd;
    public ArrayView<TWeight> Weight, Bias;
    public float Epsilon;

    /// <summary>Vectors of a row.</summary>
    public int Vectors;
    public int HasBias, Accumulate;
}

/// <summary><see cref="LayerForward{TWeight}"/> on BF16; one thread block per row.</summary>
internal readonly struct LayerForwardBf16x8<TWeight> : IKernel<LayerBf16x8Args<TWeight>> where TWeight : unmanaged, IVector8<TWeight>
{
    public static void Run(LayerBf16x8Args<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Vectors;
        float sum = 0;
        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            sum += Float32x8.Sum(Bf16x8.ToFloat(args.X[row + c]));
        }

        float mean = Threads.Sum(shared, sum) / (8 * args.Vectors);
        float squares = 0;
        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            var x = Bf16x8.ToFloat(args.X[row + c]) + -mean;
            squares += Float32x8.Sum(x * x);
        }

        float rstd = 1f / MathF.Sqrt((Threads.Sum(shared, squares) / (8 * args.Vectors)) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Mean[Grid.IdxX] = mean;
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            var y = (Bf16x8.ToFloat(args.X[row + c]) + -mean) * rstd * TWeight.ToFloat(args.Weight[c]);
            if (args.HasBias != 0)
            {
                y += TWeight.ToFloat(args.Bias[c]);
            }

            args.Y[row + c] = Bf16x8.FromFloat(y);
        }
    }
}

/// <summary><see cref="LayerBackward{TWeight}"/> on BF16.</summary>
internal readonly struct LayerBackwardBf16x8<TWeight> : IKernel<LayerBf16x8Args<TWeight>> where TWeight : unmanaged, IVector8<TWeight>
{
    public static void Run(LayerBf16x8Args<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Vectors;
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX];
        float sum = 0, dotXdy = 0;
        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            var g = Bf16x8.ToFloat(args.DOut[row + c]) * TWeight.ToFloat(args.Weight[c]);
            sum += Float32x8.Sum(g);
            dotXdy += Float32x8.Sum(g * (Bf16x8.ToFloat(args.X[row + c]) + -mean)) * rstd;
        }

        sum = Threads.Sum(shared, sum) / (8 * args.Vectors);
        dotXdy = Threads.Sum(shared, dotXdy) / (8 * args.Vectors);
        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            var g = Bf16x8.ToFloat(args.DOut[row + c]) * TWeight.ToFloat(args.Weight[c]);
            var d = (g + -sum - ((Bf16x8.ToFloat(args.X[row + c]) + -mean) * (rstd * dotXdy))) * rstd;
            if (args.Accumulate != 0)
            {
                d += Bf16x8.ToFloat(args.DX[row + c]);
            }

            args.DX[row + c] = Bf16x8.FromFloat(d);
        }
    }
}

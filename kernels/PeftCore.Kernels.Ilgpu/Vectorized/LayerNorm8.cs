using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct Layer8Args<TWeight> where TWeight : unmanaged
{
    public ArrayView<Eight> X, Y, DOut, DX;
    public ArrayView<float> Mean, Rstd;
    public ArrayView<TWeight> Weight, Bias;
    public float Epsilon;

    /// <summary>Eights of a row.</summary>
    public int Eights;
    public int HasBias, Accumulate;
}

/// <summary><see cref="LayerForward{TWeight}"/> on BF16; a group takes a row.</summary>
internal readonly struct LayerForward8<TWeight> : IKernel<Layer8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Layer8Args<TWeight> args)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Eights;
        float sum = 0;
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            sum += Floats8.Sum(Eight.ToFloat(args.X[row + c]));
        }

        float mean = Threads.Sum(shared, sum) / (8 * args.Eights);
        float squares = 0;
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 x = Eight.ToFloat(args.X[row + c]) + -mean;
            squares += Floats8.Sum(x * x);
        }

        float rstd = 1f / MathF.Sqrt((Threads.Sum(shared, squares) / (8 * args.Eights)) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Mean[Grid.IdxX] = mean;
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 y = (Eight.ToFloat(args.X[row + c]) + -mean) * rstd * TWeight.ToFloat(args.Weight[c]);
            if (args.HasBias != 0)
            {
                y += TWeight.ToFloat(args.Bias[c]);
            }

            args.Y[row + c] = Eight.FromFloat(y);
        }
    }
}

/// <summary><see cref="LayerBackward{TWeight}"/> on BF16.</summary>
internal readonly struct LayerBackward8<TWeight> : IKernel<Layer8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Layer8Args<TWeight> args)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Eights;
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX];
        float sum = 0, along = 0;
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 g = Eight.ToFloat(args.DOut[row + c]) * TWeight.ToFloat(args.Weight[c]);
            sum += Floats8.Sum(g);
            along += Floats8.Sum(g * (Eight.ToFloat(args.X[row + c]) + -mean)) * rstd;
        }

        sum = Threads.Sum(shared, sum) / (8 * args.Eights);
        along = Threads.Sum(shared, along) / (8 * args.Eights);
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 g = Eight.ToFloat(args.DOut[row + c]) * TWeight.ToFloat(args.Weight[c]);
            Floats8 d = (g + -sum - ((Eight.ToFloat(args.X[row + c]) + -mean) * (rstd * along))) * rstd;
            if (args.Accumulate != 0)
            {
                d += Eight.ToFloat(args.DX[row + c]);
            }

            args.DX[row + c] = Eight.FromFloat(d);
        }
    }
}

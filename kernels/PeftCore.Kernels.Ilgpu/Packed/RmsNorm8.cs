using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

internal struct Rms8Args<TWeight> where TWeight : unmanaged
{
    public ArrayView<Eight> X, Y, DOut, DX;
    public ArrayView<float> Rstd;
    public ArrayView<TWeight> Weight;
    public float Offset, Epsilon;

    /// <summary>Eights of a row.</summary>
    public int Eights;
    public int Accumulate;
}

/// <summary><see cref="RmsForward{TWeight}"/> on BF16; a group takes a row.</summary>
internal readonly struct RmsForward8<TWeight> : IKernel<Rms8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Rms8Args<TWeight> args)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Eights;
        float squares = 0;
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 x = Eight.Widen(args.X[row + c]);
            squares += Floats8.Sum(x * x);
        }

        squares = Threads.Sum(shared, squares);
        float rstd = 1f / MathF.Sqrt((squares / (8 * args.Eights)) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            args.Y[row + c] = Eight.Narrow(Eight.Widen(args.X[row + c]) * rstd * (TWeight.Widen(args.Weight[c]) + args.Offset));
        }
    }
}

/// <summary><see cref="RmsBackward{TWeight}"/> on BF16.</summary>
internal readonly struct RmsBackward8<TWeight> : IKernel<Rms8Args<TWeight>> where TWeight : unmanaged, IPacked<TWeight>
{
    public static void Run(Rms8Args<TWeight> args)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Eights;
        float dot = 0;
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 g = Eight.Widen(args.DOut[row + c]) * (TWeight.Widen(args.Weight[c]) + args.Offset);
            dot += Floats8.Sum(g * Eight.Widen(args.X[row + c]));
        }

        dot = Threads.Sum(shared, dot);
        float rstd = args.Rstd[Grid.IdxX];
        float pull = rstd * rstd * rstd * (dot / (8 * args.Eights));
        for (int c = Group.IdxX; c < args.Eights; c += Group.DimX)
        {
            Floats8 g = Eight.Widen(args.DOut[row + c]) * (TWeight.Widen(args.Weight[c]) + args.Offset);
            Floats8 d = (g * rstd) - (Eight.Widen(args.X[row + c]) * pull);
            if (args.Accumulate != 0)
            {
                d += Eight.Widen(args.DX[row + c]);
            }

            args.DX[row + c] = Eight.Narrow(d);
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct RmsArgs<TWeight> where TWeight : unmanaged
{
    public ArrayView<float> X, Y, Rstd, DOut, DX;
    public ArrayView<TWeight> Weight;
    public float Offset, Epsilon;
    public int Columns, Accumulate;
}

/// <summary>y = x·rstd·(offset + weight); one thread block per row.</summary>
internal readonly struct RmsForward<TWeight> : IKernel<RmsArgs<TWeight>> where TWeight : unmanaged, IElement<TWeight>
{
    public static void Run(RmsArgs<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float squares = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float x = args.X[row + c];
            squares += x * x;
        }

        squares = Threads.Sum(shared, squares);
        float rstd = 1f / MathF.Sqrt((squares / args.Columns) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            args.Y[row + c] = args.X[row + c] * rstd * (args.Offset + TWeight.ToFloat(args.Weight[c]));
        }
    }
}

/// <summary>dx (+)= rstd·(g − x·rstd²·mean(g·x)) with g = dy·(offset + weight).</summary>
internal readonly struct RmsBackward<TWeight> : IKernel<RmsArgs<TWeight>> where TWeight : unmanaged, IElement<TWeight>
{
    public static void Run(RmsArgs<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float dot = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            dot += args.X[row + c] * args.DOut[row + c] * (args.Offset + TWeight.ToFloat(args.Weight[c]));
        }

        dot = Threads.Sum(shared, dot);
        float rstd = args.Rstd[Grid.IdxX];
        float correction = rstd * rstd * rstd * (dot / args.Columns);
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float g = args.DOut[row + c] * (args.Offset + TWeight.ToFloat(args.Weight[c]));
            float d = (rstd * g) - (correction * args.X[row + c]);
            args.DX[row + c] = args.Accumulate != 0 ? args.DX[row + c] + d : d;
        }
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct LayerArgs<TWeight> where TWeight : unmanaged
{
    public ArrayView<float> X, Y, Mean, Rstd, DOut, DX;
    public ArrayView<TWeight> Weight, Bias;
    public float Epsilon;
    public int Columns, HasBias, Accumulate;
}

/// <summary>y = (x − mean)·rstd·weight + bias; one thread block per row.</summary>
internal readonly struct LayerForward<TWeight> : IKernel<LayerArgs<TWeight>> where TWeight : unmanaged, IElement<TWeight>
{
    public static void Run(LayerArgs<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float sum = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            sum += args.X[row + c];
        }

        float mean = Threads.Sum(shared, sum) / args.Columns;
        float squares = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float x = args.X[row + c] - mean;
            squares += x * x;
        }

        float rstd = 1f / MathF.Sqrt((Threads.Sum(shared, squares) / args.Columns) + args.Epsilon);
        if (Group.IdxX == 0)
        {
            args.Mean[Grid.IdxX] = mean;
            args.Rstd[Grid.IdxX] = rstd;
        }

        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float y = (args.X[row + c] - mean) * rstd * TWeight.ToFloat(args.Weight[c]);
            if (args.HasBias != 0)
            {
                y += TWeight.ToFloat(args.Bias[c]);
            }

            args.Y[row + c] = y;
        }
    }
}

/// <summary>dx (+)= rstd·(g − mean(g) − n·mean(g·n)) with n = (x − mean)·rstd and g = dy·weight.</summary>
internal readonly struct LayerBackward<TWeight> : IKernel<LayerArgs<TWeight>> where TWeight : unmanaged, IElement<TWeight>
{
    public static void Run(LayerArgs<TWeight> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float mean = args.Mean[Grid.IdxX], rstd = args.Rstd[Grid.IdxX];
        float sum = 0, dotXdy = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float g = args.DOut[row + c] * TWeight.ToFloat(args.Weight[c]);
            sum += g;
            dotXdy += g * (args.X[row + c] - mean) * rstd;
        }

        sum = Threads.Sum(shared, sum) / args.Columns;
        dotXdy = Threads.Sum(shared, dotXdy) / args.Columns;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float g = args.DOut[row + c] * TWeight.ToFloat(args.Weight[c]);
            float d = rstd * (g - sum - ((args.X[row + c] - mean) * rstd * dotXdy));
            args.DX[row + c] = args.Accumulate != 0 ? args.DX[row + c] + d : d;
        }
    }
}

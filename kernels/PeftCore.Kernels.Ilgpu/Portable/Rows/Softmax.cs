using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct SoftmaxArgs
{
    public ArrayView<float> X, Y, DOut;
    public int Columns, Accumulate;
}

/// <summary>Softmax of each row; one thread block per row, and y may be x.</summary>
internal readonly struct SoftmaxForward : IKernel<SoftmaxArgs>
{
    public static void Run(SoftmaxArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float max = Reduce.Max(shared, args.X, row, args.Columns);
        float sum = Reduce.SumOfExponentials(shared, args.X, row, args.Columns, max);
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            args.Y[row + c] = MathF.Exp(args.X[row + c] - max) / sum;
        }
    }
}

/// <summary>dx (+)= y·(dy − Σ y·dy); y is in X, and dx goes to Y.</summary>
internal readonly struct SoftmaxBackward : IKernel<SoftmaxArgs>
{
    public static void Run(SoftmaxArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        long row = (long)Grid.IdxX * args.Columns;
        float dot = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            dot += args.X[row + c] * args.DOut[row + c];
        }

        dot = Threads.Sum(shared, dot);
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float d = args.X[row + c] * (args.DOut[row + c] - dot);
            args.Y[row + c] = args.Accumulate != 0 ? args.Y[row + c] + d : d;
        }
    }
}

/// <summary>Reductions over one row by all threads of a thread block.</summary>
internal static class Reduce
{
    public static float Max(ArrayView<float> shared, ArrayView<float> x, long row, int columns)
    {
        float max = float.NegativeInfinity;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            float value = x[row + c];
            max = value > max ? value : max;
        }

        return Threads.Max(shared, max);
    }

    public static float SumOfExponentials(ArrayView<float> shared, ArrayView<float> x, long row, int columns, float max)
    {
        float sum = 0;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            sum += MathF.Exp(x[row + c] - max);
        }

        return Threads.Sum(shared, sum);
    }
}

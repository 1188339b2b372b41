using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Experts;

internal struct TakeColumnsArgs
{
    public ArrayView<float> X, Y;
    public ArrayView<int> Chosen;
    public int Columns, K, Accumulate;
}

/// <summary>y[r, j] = x[r, chosen[r, j]]; a thread per element of y.</summary>
internal readonly struct TakeColumns : IKernel<TakeColumnsArgs>
{
    public static void Run(TakeColumnsArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            args.Y[i] = args.X[(i / args.K * args.Columns) + args.Chosen[i]];
        }
    }
}

/// <summary>y[r, chosen[r, j]] (+)= x[r, j], and zero elsewhere when not accumulating; a thread per element of y.</summary>
internal readonly struct PutColumns : IKernel<TakeColumnsArgs>
{
    public static void Run(TakeColumnsArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            long row = i / args.Columns;
            int column = (int)(i % args.Columns);
            float sum = args.Accumulate != 0 ? args.Y[i] : 0;
            for (int j = 0; j < args.K; j++)
            {
                long at = (row * args.K) + j;
                sum += args.Chosen[at] == column ? args.X[at] : 0;
            }

            args.Y[i] = sum;
        }
    }
}

internal struct ExpertRowsArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, Y;
    public ArrayView<int> Index;
    public int Columns, K, Accumulate;
}

/// <summary>y[p, :] (+)= x[order[p]/k, :]; a thread per element.</summary>
internal readonly struct DispatchRows<TElement> : IKernel<ExpertRowsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(ExpertRowsArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            float value = TElement.ToFloat(args.X[((long)(args.Index[i / args.Columns] / args.K) * args.Columns) + (i % args.Columns)]);
            value += args.Accumulate != 0 ? TElement.ToFloat(args.Y[i]) : 0;
            args.Y[i] = TElement.FromFloat(value);
        }
    }
}

/// <summary>y[n, :] (+)= Σ_j x[position[n·k + j], :]; a thread per element.</summary>
internal readonly struct CombineRows<TElement> : IKernel<ExpertRowsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(ExpertRowsArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Y.Length)
        {
            long row = i / args.Columns * args.K, column = i % args.Columns;
            float sum = args.Accumulate != 0 ? TElement.ToFloat(args.Y[i]) : 0;
            for (int j = 0; j < args.K; j++)
            {
                sum += TElement.ToFloat(args.X[((long)args.Index[row + j] * args.Columns) + column]);
            }

            args.Y[i] = TElement.FromFloat(sum);
        }
    }
}

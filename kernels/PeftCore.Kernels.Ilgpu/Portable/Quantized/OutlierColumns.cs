using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

internal struct OutlierArgs<TElement> where TElement : unmanaged
{
    /// <summary>x (M, K)</summary>
    public ArrayView<TElement> X;

    /// <summary>For each column whether it has an outlier; the caller clears them.</summary>
    public ArrayView<int> Flags;

    /// <summary>The number of columns with outliers, then these columns in ascending order.</summary>
    public ArrayView<int> Columns;

    /// <summary>Rows of x that a thread looks at.</summary>
    public int RowsPerThread;
    public float Threshold;
}

/// <summary>Flags columns of x with a magnitude of at least the threshold (Dettmers et al. 2022, LLM.int8(), section 3.2).</summary>
internal readonly struct FlagOutliers<TElement> : IKernel<OutlierArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(OutlierArgs<TElement> args)
    {
        long k = args.Flags.Length, column = Threads.Linear(), rows = args.X.Length / k, first = (long)Grid.IdxY * args.RowsPerThread;
        long last = first + args.RowsPerThread < rows ? first + args.RowsPerThread : rows;
        if (column < k)
        {
            int found = 0;
            for (long row = first; row < last; row++)
            {
                float x = Int8Unit.Rounded(args.X[(row * k) + column]), magnitude = x < 0 ? -x : x;
                found = magnitude >= args.Threshold ? 1 : found;
            }

            if (found != 0)
            {
                args.Flags[column] = 1; // Threads that write at once write the same.
            }
        }
    }
}

/// <summary>Lists the flagged columns; one thread block, each of whose threads takes a run of them.</summary>
internal readonly struct ListOutliers : IKernel<OutlierArgs<Float32>>
{
    public static void Run(OutlierArgs<Float32> args)
    {
        var counts = SharedMemory.Allocate<int>(Threads.Most);
        int k = (int)args.Flags.Length, run = (k + Group.DimX - 1) / Group.DimX;
        int first = Group.IdxX * run, last = first + run < k ? first + run : k, count = 0;
        for (int c = first; c < last; c++)
        {
            count += args.Flags[c];
        }

        counts[Group.IdxX] = count;
        Group.Barrier();
        int at = 1;
        for (int thread = 0; thread < Group.IdxX; thread++)
        {
            at += counts[thread];
        }

        for (int c = first; c < last; c++)
        {
            if (args.Flags[c] != 0)
            {
                args.Columns[at] = c;
                at++;
            }
        }

        if (Group.IdxX == Group.DimX - 1)
        {
            args.Columns[0] = at - 1;
        }
    }
}

internal struct OutlierGemmArgs<TElement, TResult>
    where TElement : unmanaged
    where TResult : unmanaged
{
    /// <summary>x (M, K)</summary>
    public ArrayView<TElement> X;

    /// <summary>Codes of W (N, K), with a scale for each row.</summary>
    public ArrayView<sbyte> Weight;
    public ArrayView<float> WeightScales;
    public ArrayView<int> Columns;
    public ArrayView<TResult> Y;
    public int N, K;
}

/// <summary>y += x·Wᵀ over the listed columns, W rounded to x's dtype. A thread computes an element.</summary>
internal readonly struct OutlierGemm<TElement, TResult> : IKernel<OutlierGemmArgs<TElement, TResult>>
    where TElement : unmanaged, IElement<TElement>
    where TResult : unmanaged, IElement<TResult>
{
    public static void Run(OutlierGemmArgs<TElement, TResult> args)
    {
        long i = Threads.Linear();
        int count = args.Columns[0];
        if (i < args.Y.Length && count > 0)
        {
            long row = i / args.N, column = i % args.N;
            float sum = 0, scale = args.WeightScales[column];
            for (int j = 1; j <= count; j++)
            {
                int k = args.Columns[j];
                var w = TElement.FromFloat(Int8Unit.Value(args.Weight[(column * args.K) + k], scale));
                sum += TElement.ToFloat(args.X[(row * args.K) + k]) * TElement.ToFloat(w);
            }

            args.Y[i] = TResult.FromFloat(TResult.ToFloat(args.Y[i]) + sum);
        }
    }
}

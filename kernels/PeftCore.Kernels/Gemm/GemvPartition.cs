using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The partition of a product of a few rows into items: splits of k by blocks of columns. Each split has partial sums, which are added at
/// the end in an order that does not depend on the number of threads. Partial sums cost as much traffic as weights, so there are few
/// splits.
/// </summary>
internal readonly unsafe struct GemvPartition
{
    private const int EnoughItems = 12, MostColumns = 1024, LeastColumns = 256, LeastSteps = 32;
    private readonly int _steps, _columns, _sumRows;

    /// <summary>Splits a product, in the same way for any number of rows: blocks are multiples of <paramref name="columns"/> wide, splits
    /// multiples of <paramref name="steps"/> long, and partial sums have <paramref name="sumRows"/> rows.</summary>
    public GemvPartition(in MatrixProduct product, int columns, int steps, int sumRows)
    {
        int blocks = Ranges.Count(product.N, MostColumns),
            most = Math.Max(1, product.K * Elements.Size(product.B.Type) / 64);
        int splits = Math.Clamp(Ranges.Count(EnoughItems, blocks), 1, Math.Min(most, Ranges.Count(product.K, LeastSteps)));
        _steps = Ranges.Count(Ranges.Count(product.K, steps), splits) * steps;
        Splits = Ranges.Count(product.K, _steps);
        blocks = Math.Clamp(Ranges.Count(EnoughItems, Splits), blocks, Math.Max(blocks, product.N / LeastColumns));
        _columns = Ranges.Count(Ranges.Count(product.N, columns), blocks) * columns;
        Blocks = Ranges.Count(product.N, _columns);
        _sumRows = sumRows;
        SumStride = Ranges.Count(product.N, columns) * columns;
    }

    public int Splits { get; }

    public int Blocks { get; }

    public int Items => Splits * Blocks;

    /// <summary>Elements between rows of partial sums: the columns, rounded up.</summary>
    public int SumStride { get; }

    /// <summary>Elements of all partial sums.</summary>
    public long SumLength => (long)Splits * SplitLength;

    private nint SplitLength => (nint)_sumRows * SumStride;

    /// <summary>The columns of an item. Successive items are successive splits of k, so that what one prefetches past its end, the next
    /// one reads.</summary>
    public (int Start, int Count) Columns(int item, int all)
    {
        int start = item / Splits * _columns;
        return (start, Math.Min(_columns, all - start));
    }

    /// <summary>The steps of an item.</summary>
    public (int Start, int End) Steps(int item, int all)
    {
        int start = item % Splits * _steps;
        return (start, Math.Min(start + _steps, all));
    }

    /// <summary>The partial sums of an item's split.</summary>
    public float* Sums(float* all, int item) => all + (item % Splits * SplitLength);

    /// <summary>C (+)= Σ partial sums.</summary>
    public void AddUp(in MatrixProduct product, float* sums, WorkerPool pool) =>
        Ranges.For(product.N, new Body(product, sums, Splits, SplitLength, SumStride), pool, MostColumns);

    private readonly struct Body(MatrixProduct product, float* sums, int splits, nint splitLength, nint stride) : IRangeBody
    {
        private readonly float* _sums = sums;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int row = 0; row < product.M; row++)
            {
                float* c = product.C + (row * product.RowStride) + start, from = _sums + (row * stride) + start;
                for (int split = 0; split < splits; split++, from += splitLength)
                {
                    if (split == 0 && !product.Accumulate)
                    {
                        Buffer.MemoryCopy(from, c, (long)count * sizeof(float), (long)count * sizeof(float));
                    }
                    else
                    {
                        VectorLoops.Zip<Sum, Overwrite>(default, c, from, c, count);
                    }
                }
            }
        }
    }
}

namespace PeftCore.Kernels;

/// <summary>
/// The partition of a product of a few rows into items: shares of k by blocks of columns. Each share has partial sums, which are added at
/// the end in an order that does not depend on the number of threads. Partial sums cost as much traffic as weights, so there are few
/// shares.
/// </summary>
internal readonly unsafe struct GemvPartition
{
    private const int EnoughItems = 12, MostColumns = 1024, LeastColumns = 256, LeastSteps = 32;
    private readonly int _steps, _columns, _sumRows;

    /// <summary>Splits a product: blocks are multiples of <paramref name="columns"/> wide, shares multiples of <paramref name="steps"/>
    /// long, and partial sums have <paramref name="sumRows"/> rows.</summary>
    public GemvPartition(in MatrixProduct product, int columns, int steps, int sumRows)
    {
        int blocks = Ranges.Count(product.N, MostColumns),
            most = Math.Max(1, (int)((long)product.K * Elements.Size(product.B.Type) / (64L * product.M)));
        int shares = Math.Clamp(Ranges.Count(EnoughItems, blocks), 1, Math.Min(most, Ranges.Count(product.K, LeastSteps)));
        _steps = Ranges.Count(Ranges.Count(product.K, steps), shares) * steps;
        Shares = Ranges.Count(product.K, _steps);
        blocks = Math.Clamp(Ranges.Count(EnoughItems, Shares), blocks, Math.Max(blocks, product.N / LeastColumns));
        _columns = Ranges.Count(Ranges.Count(product.N, columns), blocks) * columns;
        Blocks = Ranges.Count(product.N, _columns);
        _sumRows = sumRows;
        SumStride = Ranges.Count(product.N, columns) * columns;
    }

    public int Shares { get; }

    public int Blocks { get; }

    public int Items => Shares * Blocks;

    /// <summary>Elements between rows of partial sums: the columns, rounded up.</summary>
    public int SumStride { get; }

    /// <summary>Elements of all partial sums.</summary>
    public long SumLength => (long)Shares * ShareLength;

    private nint ShareLength => (nint)_sumRows * SumStride;

    /// <summary>The columns of an item. Successive items are successive shares of k, so that the next item reads what the previous one
    /// prefetched past its end.</summary>
    public (int Start, int Count) Columns(int item, int all)
    {
        int start = item / Shares * _columns;
        return (start, Math.Min(_columns, all - start));
    }

    /// <summary>The steps of an item.</summary>
    public (int Start, int End) Steps(int item, int all)
    {
        int start = item % Shares * _steps;
        return (start, Math.Min(start + _steps, all));
    }

    /// <summary>The partial sums of an item's share.</summary>
    public float* Sums(float* all, int item) => all + (item % Shares * ShareLength);

    /// <summary>C (+)= Σ partial sums.</summary>
    public void AddUp(in MatrixProduct product, float* sums, WorkerPool pool) =>
        Ranges.For(product.N, new Body(product, sums, Shares, ShareLength, SumStride), pool, MostColumns);

    private readonly struct Body(MatrixProduct product, float* sums, int shares, nint shareLength, nint stride) : IRangeBody
    {
        private readonly float* _sums = sums;

        public void Run(int start, int count)
        {
            for (int row = 0; row < product.M; row++)
            {
                float* c = product.C + (row * product.RowStride) + start, from = _sums + (row * stride) + start;
                for (int share = 0; share < shares; share++, from += shareLength)
                {
                    if (share == 0 && !product.Accumulate)
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

namespace PeftCore.Kernels;

/// <summary>
/// How a product of a few rows is cut into items: shares of its steps by blocks of its columns. Each share has sums of its own, which are
/// added up at the end in the same order whatever the number of threads; they cost what weights do, so they stay a small part of those.
/// </summary>
internal readonly unsafe struct GemvPartition
{
    private const int EnoughItems = 12, MostColumns = 1024, LeastColumns = 256, LeastSteps = 32;
    private readonly int _steps, _columns, _sumRows;

    /// <summary>Cuts a product; blocks are multiples of <paramref name="columns"/> wide, shares of <paramref name="steps"/> long, and sums
    /// have room for <paramref name="sumRows"/> rows.</summary>
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

    /// <summary>Numbers from one row of a share's sums to the next: the columns, rounded up.</summary>
    public int SumStride { get; }

    /// <summary>Numbers that all sums take.</summary>
    public long SumLength => (long)Shares * ShareLength;

    private nint ShareLength => (nint)_sumRows * SumStride;

    // Items in turn go on along the steps, so that what one asks for beyond its end is what its successor begins with.

    /// <summary>The first column of an item and how many it has.</summary>
    public (int Start, int Count) Columns(int item, int all)
    {
        int start = item / Shares * _columns;
        return (start, Math.Min(_columns, all - start));
    }

    /// <summary>The first step of an item and the one after its last.</summary>
    public (int Start, int End) Steps(int item, int all)
    {
        int start = item % Shares * _steps;
        return (start, Math.Min(start + _steps, all));
    }

    /// <summary>Where an item's share is summed up.</summary>
    public float* Sums(float* all, int item) => all + (item % Shares * ShareLength);

    /// <summary>C (+)= the sums of all shares.</summary>
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

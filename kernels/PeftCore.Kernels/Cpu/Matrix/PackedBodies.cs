namespace PeftCore.Kernels;

/// <summary>Packs the panels of A, and the strips of B if they are shared.</summary>
internal readonly struct PackBody<TTile>(PackedBlock<TTile> block, bool withB) : IParallelBody
    where TTile : struct, ITile
{
    private const int AtOnce = 16384;
    private readonly int _atOnceA = Math.Max(1, AtOnce / (TTile.Rows * block.Steps));
    private readonly int _atOnceB = Math.Max(1, AtOnce / (TTile.Columns * block.Steps));

    public int Items => ItemsA + (withB ? Ranges.Count(block.PanelsB - block.FirstPackedB, _atOnceB) : 0);

    private int ItemsA => Ranges.Count(block.PanelsA, _atOnceA);

    public void Run(int item)
    {
        if (item < ItemsA)
        {
            for (int i = item * _atOnceA; i < Math.Min(block.PanelsA, (item + 1) * _atOnceA); i++)
            {
                block.PackRows(i);
            }

            return;
        }

        int first = block.FirstPackedB + ((item - ItemsA) * _atOnceB);
        for (int i = first; i < Math.Min(block.PanelsB, first + _atOnceB); i++)
        {
            block.PackColumns(i);
        }
    }
}

/// <summary>Computes tiles of C from shared panels and strips.</summary>
internal readonly struct TilesBody<TTile> : IParallelBody
    where TTile : struct, ITile
{
    private const int Rows = 48, Columns = 1024, EnoughItems = 24;
    private readonly PackedBlock<TTile> _block;
    private readonly int _panelsA, _panelsB, _atOnceA, _atOnceB;

    public TilesBody(PackedBlock<TTile> block)
    {
        _block = block;
        _panelsA = block.PanelsA;
        _panelsB = block.PanelsB;
        _atOnceA = Math.Max(1, Rows / TTile.Rows);
        _atOnceB = Math.Max(1, Columns / TTile.Columns);
        // A thread that finishes early should find another item.
        while (Items < EnoughItems && _atOnceA > 2)
        {
            _atOnceA /= 2;
        }

        while (Items < EnoughItems && _atOnceB > 1)
        {
            _atOnceB /= 2;
        }
    }

    public int Items => Ranges.Count(_panelsA, _atOnceA) * Ranges.Count(_panelsB, _atOnceB);

    public void Run(int item)
    {
        int across = Ranges.Count(_panelsA, _atOnceA);
        int firstA = item % across * _atOnceA, firstB = item / across * _atOnceB;
        int lastA = Math.Min(_panelsA, firstA + _atOnceA), lastB = Math.Min(_panelsB, firstB + _atOnceB);
        for (int a = firstA; a < lastA; a++)
        {
            for (int b = firstB; b < lastB; b++)
            {
                _block.Compute(a, b);
            }
        }
    }
}

/// <summary>
/// Packs a run of strips of B one by one, each for all panels of A at once. The next strip is fetched from memory meanwhile: weights are
/// read once a step, and waiting for them would cost more than packing them. What was packed beforehand is used where it lies.
/// </summary>
internal readonly unsafe struct OwnStripsBody<TTile>(PackedBlock<TTile> block, WorkerPool pool, int run) : IParallelBody
    where TTile : struct, ITile
{
    public void Run(int item)
    {
        if (block.Product.B.IsPacked)
        {
            Run(item, null);
            return;
        }

        using Scratch scratch = pool.Scratch.Rent((long)TTile.Columns * block.Steps);
        Run(item, scratch.Pointer);
    }

    private void Run(int item, float* strip)
    {
        int last = Math.Min(block.PanelsB, (item + 1) * run), panels = block.PanelsA;
        for (int b = item * run; b < last; b++)
        {
            if (strip != null)
            {
                block.PackColumns(b, strip);
            }

            for (int a = 0; a < panels; a++)
            {
                if (b + 1 < last)
                {
                    block.Prefetch(b + 1, a, panels);
                }

                block.Compute(a, b, strip);
            }
        }
    }
}

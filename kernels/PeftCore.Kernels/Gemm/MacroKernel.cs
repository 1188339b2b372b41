using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Packs panels of A.</summary>
internal readonly struct PackRowsBody<TTile>(PackedBlock<TTile> block) : IParallelBody
    where TTile : struct, ITile
{
    private const int AtOnce = 16384;
    private readonly int _atOnce = Math.Max(1, AtOnce / (TTile.Rows * block.Steps));

    public int Items => Ranges.Count(block.PanelCount, _atOnce);

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int item)
    {
        for (int i = item * _atOnce; i < Math.Min(block.PanelCount, (item + 1) * _atOnce); i++)
        {
            block.PackRows(i);
        }
    }
}

/// <summary>
/// The macro-kernel of BLIS: for each strip of B, some steps at a time, the tiles with all panels of a block of A. Meanwhile the next piece
/// of B is prefetched: weights are read once per pass, and waiting for them would take longer than packing them. A prepacked B is used in
/// place.
/// </summary>
internal readonly unsafe struct MacroKernel<TTile> : IParallelBody
    where TTile : struct, ITile
{
    // The most bytes of a piece of a strip, chosen for the first-level cache.
    private const int PieceBytes = 49152;

    // Enough items to balance the threads, and enough work per item to repay handing it out.
    private const int EnoughItems = 16, EnoughWork = 1 << 19;
    private readonly PackedBlock<TTile> _block;
    private readonly WorkerPool _pool;
    private readonly int _rows, _strips, _runs, _run, _steps;

    public MacroKernel(PackedBlock<TTile> block, int rows, WorkerPool pool)
    {
        _block = block;
        _pool = pool;
        _strips = block.StripCount;
        while (rows > 4 * TTile.Rows && Ranges.Count(block.Rows, rows) * _strips < EnoughItems)
        {
            rows = Ranges.Count(rows / 2, TTile.Rows) * TTile.Rows;
        }

        _rows = rows;
        _run = (int)Math.Clamp(EnoughWork / ((long)TTile.Columns * rows * block.Steps), 1, _strips);
        _runs = Ranges.Count(_strips, _run);
        _steps = PackedProduct<TTile>.Even(block.Steps, PieceBytes / (TTile.Columns * block.StripSize), 4);
    }

    public int Items => _runs * Ranges.Count(_block.Rows, _rows);

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int item)
    {
        using var scratch = _pool.Scratch.Rent((long)TTile.Columns * _steps);
        int first = item / _runs * _rows, last = Math.Min(_block.Rows, first + _rows), strip = item % _runs * _run;
        for (int end = Math.Min(_strips, strip + _run); strip < end; strip++)
        {
            for (int step = 0; step < _block.Steps; step += _steps)
            {
                Piece(first, last, strip, step, scratch.Pointer);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Piece(int first, int last, int strip, int step, float* own)
    {
        int steps = Math.Min(_steps, _block.Steps - step), next = step + steps, nextStrip = strip;
        if (next >= _block.Steps)
        {
            next = 0;
            nextStrip++;
        }

        float* packed = _block.PackColumns(strip, step, steps, own);
        for (int row = first; row < last; row += TTile.Rows)
        {
            if (nextStrip < _strips)
            {
                _block.Prefetch(nextStrip, next, Math.Min(_steps, _block.Steps - next), row - first, last - first, TTile.Rows);
            }

            _block.Compute(row, strip, step, steps, packed);
        }
    }
}

using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The product of three to eight rows with a B whose rows are the steps, read in place: 32 steps of a block of columns at a time, tile by
/// tile, while each tile prefetches its part of the next 32 rows. Tested against the triple loop of GemmTests.
/// </summary>
internal static unsafe class SmallMGemm<TTile>
    where TTile : struct, ITile
{
    private const int MaxRows = 8, Steps = 32;

    /// <summary>Whether this is faster than packing B first.</summary>
    public static bool Suits(in MatrixProduct product) =>
        !product.B.StepsAdjacent && product.ColumnStride == 1 && product.M <= MaxRows && product.N >= 2 * TTile.Columns
        && product.K >= Steps;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        int panels = Ranges.Count(product.M, TTile.Rows);
        nint panel = (nint)product.K * TTile.Rows;
        GemvPartition cut = new(product, TTile.Columns, Steps, panels * TTile.Rows);
        using var scratch = pool.Scratch.Rent((panels * panel) + cut.SumLength);
        for (int i = 0; i < panels; i++)
        {
            int row = i * TTile.Rows;
            product.A.Pack(row, Math.Min(TTile.Rows, product.M - row), TTile.Rows, 0, product.K, scratch.Pointer + (i * panel));
        }

        float* sums = scratch.Pointer + (panels * panel);
        Body body = new(product, scratch.Pointer, panel, sums, cut, pool);
        pool.For(cut.Items, ref body);
        cut.AddUp(product, sums, pool);
    }

    private readonly struct Body(MatrixProduct product, float* a, nint panel, float* sums, GemvPartition cut, WorkerPool pool)
        : IParallelBody
    {
        private readonly float* _a = a, _sums = sums;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            (int first, int end) = cut.Steps(item, product.K);
            (int start, int count) = cut.Columns(item, product.N);
            float* into = cut.Sums(_sums, item);
            for (int step = first; step < end; step += Steps)
            {
                int steps = Math.Min(Steps, end - step), strips = Ranges.Count(count, TTile.Columns);
                for (int strip = 0; strip < strips; strip++)
                {
                    int column = start + (strip * TTile.Columns);
                    product.B.Prefetch(start, count, step + Steps, Steps, strip, strips);
                    Strip(column, Math.Min(TTile.Columns, product.N - column), step, steps, into + column, step > first);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Strip(int column, int used, int step, int steps, float* into, bool accumulate)
        {
            for (int row = 0; row < product.M; row += TTile.Rows)
            {
                int rows = Math.Min(TTile.Rows, product.M - row);
                float* a = _a + (row / TTile.Rows * panel) + ((nint)step * TTile.Rows), c = into + ((nint)row * cut.SumStride);
                if (used == TTile.Columns)
                {
                    product.B.Tile<TTile>(rows, column, step, steps, a, c, cut.SumStride, product.Alpha, accumulate);
                    continue;
                }

                // A tile reads whole strips, so the last columns are packed with zeros.
                using var strip = pool.Scratch.Rent(steps * TTile.Columns);
                product.B.Pack(column, used, TTile.Columns, step, steps, strip.Pointer);
                TTile.Run<Float32Element>(rows, steps, a, TTile.Rows, (byte*)strip.Pointer, TTile.Columns, c, cut.SumStride, product.Alpha,
                    accumulate);
            }
        }
    }
}

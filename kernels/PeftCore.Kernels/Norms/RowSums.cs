using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>The term of a sum over rows: a vector of columns of one row.</summary>
internal interface IRowTerm
{
    Vector<float> At(int row, int col);

    /// <summary>The term of the last <paramref name="count"/> columns, zero beyond.</summary>
    Vector<float> PartAt(int row, int col, int count);
}

/// <summary>
/// row[c] (+)= Σ_r term(r, c). Rows are split into runs of a fixed length and columns into blocks. Each run has partial sums, which are
/// then added in order, so that the result does not depend on the number of threads.
/// </summary>
internal static unsafe class RowSums
{
    private const int Run = 512;
    private const int ColumnBlock = 128;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add<TTerm>(TTerm term, float* row, int rows, int cols, bool accumulate, WorkerPool pool)
        where TTerm : struct, IRowTerm
    {
        if (rows <= Run)
        {
            StripBody<TTerm> direct = new(term, row, rows, cols, accumulate);
            pool.For(Ranges.Count(cols, ColumnBlock), ref direct);
            return;
        }

        int runs = Ranges.Count(rows, Run);
        using var partial = pool.Scratch.Rent((long)runs * cols);
        StripBody<TTerm> body = new(term, partial.Pointer, rows, cols, false);
        pool.For(runs * Ranges.Count(cols, ColumnBlock), ref body);
        for (int run = 0; run < runs; run++)
        {
            float* sums = partial.Pointer + ((long)run * cols);
            if (run == 0 && !accumulate)
            {
                Buffer.MemoryCopy(sums, row, (long)cols * sizeof(float), (long)cols * sizeof(float));
            }
            else
            {
                VectorLoops.Zip<Sum, Overwrite>(default, row, sums, row, cols);
            }
        }
    }

    private readonly struct StripBody<TTerm>(TTerm term, float* sums, int rows, int cols, bool accumulate) : IParallelBody
        where TTerm : struct, IRowTerm
    {
        private readonly float* _sums = sums;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        void IParallelBody.Run(int item)
        {
            int blocks = Ranges.Count(cols, ColumnBlock), run = item / blocks;
            int first = run * Run, last = Math.Min(rows, first + Run);
            int col = item % blocks * ColumnBlock, end = Math.Min(cols, col + ColumnBlock), width = Simd.Width;
            float* into = _sums + ((long)run * cols);
            for (; col <= end - (4 * width); col += 4 * width)
            {
                Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
                for (int r = first; r < last; r++)
                {
                    s0 += term.At(r, col);
                    s1 += term.At(r, col + width);
                    s2 += term.At(r, col + (2 * width));
                    s3 += term.At(r, col + (3 * width));
                }

                Store(s0, into + col);
                Store(s1, into + col + width);
                Store(s2, into + col + (2 * width));
                Store(s3, into + col + (3 * width));
            }

            for (; col < end; col += width)
            {
                int count = Math.Min(width, end - col);
                Vector<float> s = default;
                for (int r = first; r < last; r++)
                {
                    s += count == width ? term.At(r, col) : term.PartAt(r, col, count);
                }

                if (count == width)
                {
                    Store(s, into + col);
                }
                else
                {
                    Simd.StorePart(accumulate ? s + Simd.LoadPart(into + col, count) : s, into + col, count);
                }
            }
        }

        private void Store(Vector<float> sum, float* into) => (accumulate ? sum + Vector.Load(into) : sum).Store(into);
    }
}

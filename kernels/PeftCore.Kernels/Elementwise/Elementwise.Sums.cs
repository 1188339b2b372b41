using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary>row[c] (+)= Σ_r x[r, c].</summary>
    public static void SumRows(ReadOnlySpan<float> x, Span<float> row, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast<float>(row, cols);
        fixed (float* px = x, pr = row)
        {
            RowSums.Add(new Entry(px, cols), pr, rows, cols, accumulate, pool);
        }
    }

    /// <summary>row[c] (+)= Σ_r x[r, c]·y[r, c].</summary>
    public static void MultiplySumRows(
        ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> row, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(y, (long)rows * cols);
        Sizes.AtLeast<float>(row, cols);
        fixed (float* px = x, py = y, pr = row)
        {
            RowSums.Add(new EntryProduct(px, py, cols), pr, rows, cols, accumulate, pool);
        }
    }

    /// <summary>Σ x², summed in blocks of a fixed size that are added in double precision.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float SumOfSquares(ReadOnlySpan<float> x, WorkerPool pool)
    {
        int blocks = Ranges.Count(x.Length, Ranges.Elements);
        using var scratch = pool.Scratch.Rent(blocks);
        float* sums = scratch.Pointer;
        fixed (float* px = x)
        {
            Ranges.For(x.Length, new SquaresBody(px, sums), pool);
        }

        double total = 0;
        for (int i = 0; i < blocks; i++)
        {
            total += sums[i];
        }

        return (float)total;
    }

    /// <summary>Whether no element is infinite or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AllFinite(ReadOnlySpan<float> x, WorkerPool pool)
    {
        int blocks = Ranges.Count(x.Length, Ranges.Elements);
        using var scratch = pool.Scratch.Rent(blocks);
        float* bad = scratch.Pointer;
        fixed (float* px = x)
        {
            Ranges.For(x.Length, new FiniteBody(px, bad), pool);
        }

        for (int i = 0; i < blocks; i++)
        {
            if (bad[i] != 0)
            {
                return false;
            }
        }

        return true;
    }

    private readonly struct Entry(float* x, int cols) : IRowTerm
    {
        private readonly float* _x = x;

        public Vector<float> At(int row, int col) => Vector.Load(_x + ((long)row * cols) + col);

        public Vector<float> PartAt(int row, int col, int count) => Simd.LoadPart(_x + ((long)row * cols) + col, count);
    }

    private readonly struct EntryProduct(float* x, float* y, int cols) : IRowTerm
    {
        private readonly float* _x = x, _y = y;

        public Vector<float> At(int row, int col)
        {
            long at = ((long)row * cols) + col;
            return Vector.Load(_x + at) * Vector.Load(_y + at);
        }

        public Vector<float> PartAt(int row, int col, int count)
        {
            long at = ((long)row * cols) + col;
            return Simd.LoadPart(_x + at, count) * Simd.LoadPart(_y + at, count);
        }
    }

    private readonly struct SquaresBody(float* x, float* sums) : IRangeBody
    {
        private readonly float* _x = x, _sums = sums;

        public void Run(int start, int count) => _sums[start / Ranges.Elements] = Simd.Dot(_x + start, _x + start, count);
    }

    private readonly struct FiniteBody(float* x, float* bad) : IRangeBody
    {
        private readonly float* _x = x, _bad = bad;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            // x − x is 0 for a finite x, NaN otherwise; NaN never compares equal.
            int width = Simd.Width, i = start, end = start + count;
            Vector<float> sum = default;
            for (; i <= end - width; i += width)
            {
                var v = Vector.Load(_x + i);
                sum += v - v;
            }

            if (i < end)
            {
                var v = Simd.LoadPart(_x + i, end - i);
                sum += v - v;
            }

            _bad[start / Ranges.Elements] = Vector.EqualsAll(sum, Vector<float>.Zero) ? 0f : 1f;
        }
    }
}

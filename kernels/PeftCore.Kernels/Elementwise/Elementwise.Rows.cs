using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

internal static unsafe partial class Elementwise
{
    /// <summary>y[r, c] += row[c].</summary>
    public static void AddRow(Span<float> y, ReadOnlySpan<float> row, int rows, int cols, WorkerPool pool)
    {
        Sizes.AtLeast<float>(y, (long)rows * cols);
        Sizes.AtLeast(row, cols);
        fixed (float* py = y, pr = row)
        {
            Ranges.ForRows(rows, cols, new RowBody<Sum, Overwrite>(py, pr, py, cols), pool);
        }
    }

    /// <summary>y[r, c] (+)= x[r, c]·row[c]. y may be x when not accumulating.</summary>
    public static void MultiplyRow(
        ReadOnlySpan<float> x, ReadOnlySpan<float> row, Span<float> y, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(row, cols);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        fixed (float* px = x, pr = row, py = y)
        {
            if (accumulate)
            {
                Ranges.ForRows(rows, cols, new RowBody<Product, Accumulate>(px, pr, py, cols), pool);
            }
            else
            {
                Ranges.ForRows(rows, cols, new RowBody<Product, Overwrite>(px, pr, py, cols), pool);
            }
        }
    }

    /// <summary>y[r, c] (+)= x[r, c]·column[r]. y may be x when not accumulating.</summary>
    public static void MultiplyColumn(
        ReadOnlySpan<float> x, ReadOnlySpan<float> column, Span<float> y, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(column, rows);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        fixed (float* px = x, pc = column, py = y)
        {
            if (accumulate)
            {
                Ranges.ForRows(rows, cols, new ColumnBody<Accumulate>(px, pc, py, cols), pool);
            }
            else
            {
                Ranges.ForRows(rows, cols, new ColumnBody<Overwrite>(px, pc, py, cols), pool);
            }
        }
    }

    /// <summary>dots[r] (+)= Σ_c x[r, c]·y[r, c].</summary>
    public static void RowDots(
        ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> dots, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(y, (long)rows * cols);
        Sizes.AtLeast<float>(dots, rows);
        fixed (float* px = x, py = y, pd = dots)
        {
            Ranges.ForRows(rows, cols, new DotsBody(px, py, pd, cols, accumulate), pool);
        }
    }

    private readonly struct RowBody<TZip, TStore>(float* x, float* row, float* y, int cols) : IRangeBody
        where TZip : struct, IVectorZip
        where TStore : struct, IStore
    {
        private readonly float* _x = x, _row = row, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                VectorLoops.Zip<TZip, TStore>(default, _x + ((long)r * cols), _row, _y + ((long)r * cols), cols);
            }
        }
    }

    private readonly struct ColumnBody<TStore>(float* x, float* column, float* y, int cols) : IRangeBody
        where TStore : struct, IStore
    {
        private readonly float* _x = x, _column = column, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                VectorLoops.Map<Scaling, TStore>(new Scaling(_column[r]), _x + ((long)r * cols), _y + ((long)r * cols), cols);
            }
        }
    }

    private readonly struct DotsBody(float* x, float* y, float* dots, int cols, bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _y = y, _dots = dots;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float dot = Simd.Dot(_x + ((long)r * cols), _y + ((long)r * cols), cols);
                _dots[r] = accumulate ? _dots[r] + dot : dot;
            }
        }
    }
}

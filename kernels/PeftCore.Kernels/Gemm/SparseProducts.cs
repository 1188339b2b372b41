using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Products with a sparse matrix in CSR form. Tested against dense products by the tests of the sparse op.</summary>
internal static unsafe class SparseProducts
{
    /// <summary>y[t, r] (+)= Σ_e values[order[e]]·x[t, columns[e]] over the entries e of row r.</summary>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> values, in SparseRows entries, Span<float> y, int rows,
        int inputs, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * inputs);
        int outputs = entries.Offsets.Length - 1;
        Sizes.AtLeast<float>(y, (long)rows * outputs);
        fixed (float* px = x, pv = values, py = y)
        fixed (int* po = entries.Offsets, pc = entries.Columns, pr = entries.Order)
        {
            Ranges.ForRows(rows, Math.Max(outputs, entries.Columns.Length), new ProductBody(px, pv, po, pc, pr, py, inputs, outputs,
                accumulate), pool);
        }
    }

    /// <summary>dValues[e] (+)= Σ_t dy[t, rowOf[e]]·x[t, columnOf[e]].</summary>
    public static void Gradient(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<int> rowOf, ReadOnlySpan<int> columnOf,
        Span<float> dValues,
        int rows, bool accumulate, WorkerPool pool)
    {
        if (!accumulate)
        {
            dValues.Clear();
        }
        if (rows == 0)
        {
            return;
        }
        fixed (float* pd = dy, px = x, pv = dValues)
        fixed (int* pr = rowOf, pc = columnOf)
        {
            Ranges.For(rowOf.Length, new GradientBody(pd, px, pr, pc, pv, rows, dy.Length / rows, x.Length / rows), pool, 256);
        }
    }

    private readonly struct ProductBody(float* x, float* values, int* offsets, int* columns, int* order, float* y, int inputs, int outputs,
        bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _values = values, _y = y;
        private readonly int* _offsets = offsets, _columns = columns, _order = order;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int t = start; t < start + count; t++)
            {
                float* x = _x + (long)t * inputs, y = _y + (long)t * outputs;
                for (int r = 0; r < outputs; r++)
                {
                    float sum = accumulate ? y[r] : 0;
                    for (int e = _offsets[r]; e < _offsets[r + 1]; e++)
                    {
                        sum += _values[_order[e]] * x[_columns[e]];
                    }
                    y[r] = sum;
                }
            }
        }
    }

    private readonly struct GradientBody(float* dy, float* x, int* rowOf, int* columnOf, float* dValues, int rows, int outputs, int inputs)
        : IRangeBody
    {
        private readonly float* _dy = dy, _x = x, _dValues = dValues;
        private readonly int* _rowOf = rowOf, _columnOf = columnOf;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int t = 0; t < rows; t++)
            {
                float* dy = _dy + (long)t * outputs, x = _x + (long)t * inputs;
                for (int e = start; e < start + count; e++)
                {
                    _dValues[e] += dy[_rowOf[e]] * x[_columnOf[e]];
                }
            }
        }
    }
}

/// <summary>The row offsets and columns of a sparse matrix in CSR form, with a permutation of its values.</summary>
/// <param name="offsets">The first entry of each row, and the number of entries.</param>
/// <param name="columns">The column of each entry.</param>
/// <param name="order">The index of each entry's value.</param>
internal readonly ref struct SparseRows(ReadOnlySpan<int> offsets, ReadOnlySpan<int> columns, ReadOnlySpan<int> order)
{
    /// <summary>The first entry of each row, and the number of entries.</summary>
    public ReadOnlySpan<int> Offsets { get; } = offsets;

    /// <summary>The column of each entry.</summary>
    public ReadOnlySpan<int> Columns { get; } = columns;

    /// <summary>The index of each entry's value.</summary>
    public ReadOnlySpan<int> Order { get; } = order;
}

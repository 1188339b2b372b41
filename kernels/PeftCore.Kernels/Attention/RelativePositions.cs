using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Numbers of relative positions turned into biases of attention scores. Positions come as indices, so that the loops hold for
/// every family's buckets.</summary>
internal static unsafe class RelativePositions
{
    /// <summary>T5: y[h, i] = table[buckets[i], h] for (buckets, heads) numbers.</summary>
    public static void Bias(ReadOnlySpan<float> table, ReadOnlySpan<int> buckets, int heads, Span<float> y, WorkerPool pool)
    {
        Sizes.AtLeast<float>(y, (long)heads * buckets.Length);
        Check(buckets, heads == 0 ? 0 : table.Length / heads);
        fixed (float* pt = table, py = y)
        fixed (int* pb = buckets)
        {
            Ranges.For(heads, new BiasBody(pt, pb, buckets.Length, heads, py), pool, 1);
        }
    }

    /// <summary>dTable[buckets[i], h] (+)= dy[h, i].</summary>
    public static void BiasGradient(ReadOnlySpan<float> dy, ReadOnlySpan<int> buckets, int heads, Span<float> dTable, bool accumulate,
        WorkerPool pool)
    {
        Sizes.AtLeast(dy, (long)heads * buckets.Length);
        Check(buckets, heads == 0 ? 0 : dTable.Length / heads);
        if (!accumulate)
        {
            dTable.Clear();
        }

        fixed (float* pd = dy, pt = dTable)
        fixed (int* pb = buckets)
        {
            Ranges.For(heads, new BiasGradientBody(pd, pb, buckets.Length, heads, pt), pool, 1);
        }
    }

    /// <summary>DeBERTa: y[b, i, j] = x[b, i, index[i, j]], or with <paramref name="transposed"/> y[b, j, i].</summary>
    public static void Gather(ReadOnlySpan<float> x, ReadOnlySpan<int> index, in RelativeShape shape, bool transposed, Span<float> y,
        WorkerPool pool)
    {
        Sizes.AtLeast(x, shape.Inputs);
        Sizes.AtLeast<float>(y, shape.Outputs);
        Check(index, shape.Width);
        fixed (float* px = x, py = y)
        fixed (int* pi = index)
        {
            Ranges.For(shape.Batch, new GatherBody(px, pi, shape, transposed, py), pool, 1);
        }
    }

    /// <summary>dx[b, i, r] (+)= Σ dy[b, i, j] over j with index[i, j] = r.</summary>
    public static void GatherGradient(ReadOnlySpan<float> dy, ReadOnlySpan<int> index, in RelativeShape shape, bool transposed,
        Span<float> dx, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(dy, shape.Outputs);
        Sizes.AtLeast<float>(dx, shape.Inputs);
        Check(index, shape.Width);
        fixed (float* pd = dy, px = dx)
        fixed (int* pi = index)
        {
            Ranges.For(shape.Batch, new GatherGradientBody(pd, pi, shape, transposed, px, accumulate), pool, 1);
        }
    }

    private static void Check(ReadOnlySpan<int> index, int width)
    {
        foreach (int at in index)
        {
            if ((uint)at >= (uint)width)
            {
                throw new ArgumentOutOfRangeException(nameof(index), $"The relative position {at} lies outside of {width} positions.");
            }
        }
    }

    private readonly struct BiasBody(float* table, int* buckets, int count, int heads, float* y) : IRangeBody
    {
        private readonly float* _table = table, _y = y;
        private readonly int* _buckets = buckets;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (int h = start; h < start + length; h++)
            {
                float* to = _y + ((nint)h * count);
                for (int i = 0; i < count; i++)
                {
                    to[i] = _table[((nint)_buckets[i] * heads) + h];
                }
            }
        }
    }

    private readonly struct BiasGradientBody(float* dy, int* buckets, int count, int heads, float* dTable) : IRangeBody
    {
        private readonly float* _dy = dy, _dTable = dTable;
        private readonly int* _buckets = buckets;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (int h = start; h < start + length; h++)
            {
                float* from = _dy + ((nint)h * count);
                for (int i = 0; i < count; i++)
                {
                    _dTable[((nint)_buckets[i] * heads) + h] += from[i];
                }
            }
        }
    }

    private readonly struct GatherBody(float* x, int* index, RelativeShape shape, bool transposed, float* y) : IRangeBody
    {
        private readonly float* _x = x, _y = y;
        private readonly int* _index = index;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (long row = (long)start * shape.Rows; row < (long)(start + length) * shape.Rows; row++)
            {
                float* from = _x + (row * shape.Width), to = _y + shape.First(row, transposed);
                int* at = _index + (row % shape.Rows * shape.Columns);
                nint step = transposed ? shape.Rows : 1;
                for (int j = 0; j < shape.Columns; j++)
                {
                    to[j * step] = from[at[j]];
                }
            }
        }
    }

    private readonly struct GatherGradientBody(float* dy, int* index, RelativeShape shape, bool transposed, float* dx, bool accumulate)
        : IRangeBody
    {
        private readonly float* _dy = dy, _dx = dx;
        private readonly int* _index = index;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (long row = (long)start * shape.Rows; row < (long)(start + length) * shape.Rows; row++)
            {
                float* to = _dx + (row * shape.Width), from = _dy + shape.First(row, transposed);
                int* at = _index + (row % shape.Rows * shape.Columns);
                nint step = transposed ? shape.Rows : 1;
                if (!accumulate)
                {
                    new Span<float>(to, shape.Width).Clear();
                }

                for (int j = 0; j < shape.Columns; j++)
                {
                    to[at[j]] += from[j * step];
                }
            }
        }
    }
}

/// <summary>Extents of a gather: (batch, rows, width) numbers and (rows, columns) indices into width.</summary>
internal readonly record struct RelativeShape(int Batch, int Rows, int Columns, int Width)
{
    public long Inputs => (long)Batch * Rows * Width;

    public long Outputs => (long)Batch * Rows * Columns;

    /// <summary>Index of a row's first output: y[b, i, 0], or y[b, 0, i] of the transposed output.</summary>
    public long First(long row, bool transposed) =>
        transposed ? (row / Rows * Rows * Columns) + (row % Rows) : row * Columns;
}

using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Look-ups of table rows, and their gradient. Tested against plain loops by EmbeddingTests.</summary>
internal static unsafe class Embedding
{
    private const int ColumnBlock = 256;

    /// <summary>y[i, :] = table[ids[i], :].</summary>
    public static void Gather(ReadOnlySpan<int> ids, Operand table, Span<float> y, int count, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(ids, count);
        Sizes.AtLeast<float>(y, (long)count * cols);
        Check(ids[..count], (table.Data.Length / Elements.Size(table.Type)) + table.Stride - cols, table.Stride);
        fixed (int* pi = ids)
        fixed (byte* pt = table.Data)
        fixed (float* py = y)
        {
            Ranges.ForRows(count, cols, new GatherBody(pi, pt, table.Type, table.Stride, py, cols), pool);
        }
    }

    /// <summary>dTable[ids[i], :] += dy[i, :], in the order of i for any number of threads.</summary>
    public static void ScatterAdd(ReadOnlySpan<int> ids, ReadOnlySpan<float> dy, Span<float> dTable, int count, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(ids, count);
        Sizes.AtLeast(dy, (long)count * cols);
        Check(ids[..count], dTable.Length, cols);
        fixed (int* pi = ids)
        fixed (float* pd = dy, pt = dTable)
        {
            // Each item has a block of columns to itself, so that equal ids do not race.
            ScatterBody body = new(pi, pd, pt, count, cols);
            pool.For(Ranges.Count(cols, ColumnBlock), ref body);
        }
    }

    private static void Check(ReadOnlySpan<int> ids, int elements, int stride)
    {
        int rows = stride == 0 ? 0 : elements / stride;
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)rows)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), $"Id {id} lies outside a table of {rows} rows.");
            }
        }
    }

    private readonly struct GatherBody(int* ids, byte* table, ElementType type, int stride, float* y, int cols) : IRangeBody
    {
        private readonly int* _ids = ids;
        private readonly byte* _table = table;
        private readonly float* _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int i = start; i < start + count; i++)
            {
                Elements.ToFloat(_table + ((long)_ids[i] * stride * Elements.Size(type)), type, _y + ((long)i * cols), cols);
            }
        }
    }

    private readonly struct ScatterBody(int* ids, float* dy, float* table, int count, int cols) : IParallelBody
    {
        private readonly int* _ids = ids;
        private readonly float* _dy = dy, _table = table;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int col = item * ColumnBlock, width = Math.Min(ColumnBlock, cols - col);
            for (int i = 0; i < count; i++)
            {
                float* row = _table + ((long)_ids[i] * cols) + col;
                VectorLoops.Zip<Sum, Overwrite>(default, row, _dy + ((long)i * cols) + col, row, width);
            }
        }
    }
}

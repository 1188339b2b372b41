using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Weights of more than 2 GiB, such as the table of a large vocabulary. A span of bytes reaches no further, so products, look-ups
/// and conversions take such a tensor in parts.</summary>
public sealed partial class CpuBackend
{
    /// <summary>Most bytes of a weight given to a kernel at once.</summary>
    internal long LongestSpan { get; init; } = int.MaxValue;

    /// <summary>C (m, n) = α·op(A)·op(B) (+ C) for factors of any size: the longer one is halved along its rows, which halves m, n or
    /// k.</summary>
    private void Multiply(int m, int n, int k, Block a, bool transposeA, Block b, bool transposeB, Span<float> c, int stride, float alpha,
        bool accumulate)
    {
        if (a.Bytes <= LongestSpan && b.Bytes <= LongestSpan)
        {
            Gemm.Multiply(m, n, k, a.Operand, transposeA, b.Operand, transposeB, c, stride, alpha, accumulate, _pool);
            return;
        }
        bool first = a.Bytes >= b.Bytes;
        int half = (first ? a : b).Rows / 2;
        if (half == 0)
        {
            throw new NotSupportedException($"matmul: a single row of {(first ? a : b).Columns} columns is too long for the processor");
        }
        if (first && !transposeA)
        {
            Multiply(half, n, k, a.RowsOf(0, half), false, b, transposeB, c, stride, alpha, accumulate);
            Multiply(m - half, n, k, a.RowsOf(half, m - half), false, b, transposeB, c[(half * stride)..], stride, alpha, accumulate);
        }
        else if (!first && transposeB)
        {
            Multiply(m, half, k, a, transposeA, b.RowsOf(0, half), true, c, stride, alpha, accumulate);
            Multiply(m, n - half, k, a, transposeA, b.RowsOf(half, n - half), true, c[half..], stride, alpha, accumulate);
        }
        else
        {
            AlongK(0, half, c, accumulate);
            AlongK(half, k - half, c, add: true);
        }

        void AlongK(int start, int count, Span<float> to, bool add) => Multiply(m, n, count,
            transposeA ? a.RowsOf(start, count) : a.ColumnsOf(start, count), transposeA,
            transposeB ? b.ColumnsOf(start, count) : b.RowsOf(start, count), transposeB, to, stride, alpha, add);
    }

    private void GatherFromLarge(CpuTensorView ids, CpuTensorView table, CpuTensorView y)
    {
        var where = ids.I32;
        var to = y.F32;
        int rows = table.Shape[0], columns = table.Columns;
        for (int i = 0; i < where.Length; i++)
        {
            if ((uint)where[i] >= (uint)rows)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), $"Id {where[i]} lies outside a table of {rows} rows.");
            }
            var row = new Block(table).RowsOf(where[i], 1).Operand;
            Elements.ToFloat(row.Data, row.Type, to.Slice(i * columns, columns), _pool);
        }
    }

    private void CastLarge(CpuTensorView from, CpuTensorView to)
    {
        int most = (int)(LongestSpan / sizeof(float));
        for (long at = 0; at < from.Count; at += most)
        {
            int count = (int)Math.Min(most, from.Count - at);
            Cast(from.Part(at, count), to.Part(at, count));
        }
    }

    /// <summary>A stored matrix, or some rows and columns of one.</summary>
    private readonly unsafe struct Block(byte* data, DType dtype, int rows, int columns, int stride)
    {
        private readonly byte* _data = data;

        public Block(CpuTensorView area) : this(area.Data, area.DType, area.Rows, area.Columns, area.Columns) { }

        public int Rows => rows;

        public int Columns => columns;

        /// <summary>From the first element to the last.</summary>
        public long Bytes => rows == 0 || columns == 0 ? 0 : ((rows - 1L) * stride + columns) * dtype.Size;

        public Operand Operand => new(new ReadOnlySpan<byte>(_data, (int)Bytes), dtype.Element, stride);

        public Block RowsOf(int start, int count) => new(_data + (long)start * stride * dtype.Size, dtype, count, columns, stride);

        public Block ColumnsOf(int start, int count) => new(_data + (long)start * dtype.Size, dtype, rows, count, stride);
    }
}

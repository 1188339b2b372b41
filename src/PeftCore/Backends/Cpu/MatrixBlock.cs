using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A stored matrix, or some rows and columns of one.</summary>
internal readonly unsafe struct MatrixBlock(byte* data, DType dtype, int rows, int columns, int stride)
{
    private readonly byte* _data = data;

    public MatrixBlock(CpuTensorView view) : this(view.Data, view.DType, view.Rows, view.Columns, view.Columns) { }

    public int Rows => rows;

    public int Columns => columns;

    /// <summary>Bytes from the first element to the end of the last.</summary>
    public long Bytes => rows == 0 || columns == 0 ? 0 : ((rows - 1L) * stride + columns) * dtype.Size;

    public Operand Operand => new(new ReadOnlySpan<byte>(_data, (int)Bytes), dtype.Element, stride);

    public MatrixBlock RowsOf(int start, int count) => new(_data + (long)start * stride * dtype.Size, dtype, count, columns, stride);

    public MatrixBlock ColumnsOf(int start, int count) => new(_data + (long)start * dtype.Size, dtype, rows, count, stride);
}

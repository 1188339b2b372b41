using System.Buffers;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false)
    {
        int k = transposeA ? a.Shape.Rows : a.Shape.Columns;
        int m = c.Shape.Rows, n = c.Shape.Columns;
        var result = F32(Written(c));
        if (_packed?.Of(m, k, a, b, transposeB) is { } packed)
        {
            Gemm.MultiplyPacked(m, n, k, Matrix(a), transposeA, Ready(packed, b), b.DType.Element, result, n, alpha, accumulate, _pool);
            return;
        }
        Multiply(m, n, k, new Block(a), transposeA, new Block(b), transposeB, result, n, alpha, accumulate);
    }

    private unsafe Span<byte> Ready(PackedWeights.Packed packed, Tensor b)
    {
        Span<byte> bytes = new((void*)packed.Storage.Address, (int)packed.Storage.Bytes);
        if (packed.Stale)
        {
            packed.Stale = false;
            int rows = b.Shape.Rows, columns = b.Shape.Columns;
            Gemm.Pack(packed.Transposed ? rows : columns, packed.Transposed ? columns : rows, Matrix(b), packed.Transposed, bytes, _pool);
        }
        return bytes;
    }

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row)
    {
        if (row.DType == DType.F32)
        {
            Elementwise.AddRow(F32(Written(y)), F32(row), y.Shape.Rows, y.Shape.Columns, _pool);
            return;
        }
        float[] wide = ArrayPool<float>.Shared.Rent((int)row.Count);
        Elements.Widen(Bytes(row), row.DType.Element, wide, _pool);
        Elementwise.AddRow(F32(Written(y)), wide, y.Shape.Rows, y.Shape.Columns, _pool);
        ArrayPool<float>.Shared.Return(wide);
    }

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Elementwise.SumRows(F32(x), F32(Written(row)), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y)
    {
        if (table.ByteCount > LongestSpan)
        {
            GatherFromLarge(ids, table, y);
        }
        else
        {
            Embedding.Gather(I32(ids), Matrix(table), F32(Written(y)), (int)ids.Count, table.Shape.Columns, _pool);
        }
    }

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Embedding.ScatterAdd(I32(ids), F32(dy), F32(Written(table)), (int)ids.Count, table.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate)
    {
        var source = F32(from);
        var target = F32(Written(to));
        int sourceStride = from.Shape.Columns;
        int targetStride = to.Shape.Columns;
        for (int r = 0; r < from.Shape.Rows; r++)
        {
            var x = source.Slice(r * sourceStride + fromColumn, columns);
            var y = target.Slice(r * targetStride + toColumn, columns);
            if (accumulate)
            {
                System.Numerics.Tensors.TensorPrimitives.Add(y, x, y);
            }
            else
            {
                x.CopyTo(y);
            }
        }
    }
}

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
        Multiply(c.Shape.Rows, c.Shape.Columns, k, new Block(a), transposeA, new Block(b), transposeB, F32(c), c.Shape.Columns, alpha, accumulate);
    }

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row)
    {
        if (row.DType == DType.F32)
        {
            Elementwise.AddRow(F32(y), F32(row), y.Shape.Rows, y.Shape.Columns, _pool);
            return;
        }
        float[] wide = ArrayPool<float>.Shared.Rent((int)row.Count);
        Elements.Widen(Bytes(row), row.DType.Element, wide, _pool);
        Elementwise.AddRow(F32(y), wide, y.Shape.Rows, y.Shape.Columns, _pool);
        ArrayPool<float>.Shared.Return(wide);
    }

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Elementwise.SumRows(F32(x), F32(row), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y)
    {
        if (table.ByteCount > LongestSpan)
        {
            GatherFromLarge(ids, table, y);
        }
        else
        {
            Embedding.Gather(I32(ids), Matrix(table), F32(y), (int)ids.Count, table.Shape.Columns, _pool);
        }
    }

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Embedding.ScatterAdd(I32(ids), F32(dy), F32(table), (int)ids.Count, table.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate)
    {
        var source = F32(from);
        var target = F32(to);
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

using System.Buffers;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = transposeA ? a.Shape.Rows : a.Shape.Columns;
        string name = _profile is null ? "" : $"{(transposeA ? "Aᵀ" : "A")}·{(transposeB ? "Bᵀ" : "B")} {m}×{n}×{k}";
        Launch(new LaunchCost(name, new Work(2.0 * m * n * k, 0)),
            (a: At(a), transposeA, b: At(b), transposeB, y: Written(c), alpha, accumulate, packed: _packed?.Of(m, k, a, b, transposeB)),
            static (c, cpu) =>
            {
                int m = c.y.Rows, n = c.y.Columns, k = c.transposeA ? c.a.Rows : c.a.Columns;
                if (c.packed is { } packed)
                {
                    Gemm.MultiplyPacked(m, n, k, c.a.Matrix, c.transposeA, cpu.Ready(packed, c.b), c.b.DType.Element, c.y.F32, n, c.alpha,
                        c.accumulate, cpu._pool);
                    return;
                }
                cpu.Multiply(m, n, k, new Block(c.a), c.transposeA, new Block(c.b), c.transposeB, c.y.F32, n, c.alpha, c.accumulate);
            });
    }

    private unsafe Span<byte> Ready(PackedWeights.Packed packed, CpuTensorView b)
    {
        Span<byte> bytes = new((void*)packed.Storage.Address, (int)packed.Storage.Bytes);
        if (packed.Stale)
        {
            packed.Stale = false;
            int rows = b.Rows, columns = b.Columns;
            Gemm.Pack(packed.Transposed ? rows : columns, packed.Transposed ? columns : rows, b.Matrix, packed.Transposed, bytes, _pool);
        }
        return bytes;
    }

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row) =>
        Launch(LaunchCost.Of("add row", y, y), (y: Written(y), row: At(row)), static (c, cpu) => cpu.AddRow(c.y, c.row));

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Launch(LaunchCost.Of("sum rows", x), (x: At(x), row: Written(row), accumulate),
            static (c, cpu) => Elementwise.SumRows(c.x.F32, c.row.F32, c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y) =>
        Launch(LaunchCost.Of("gather rows", y, y), (ids: At(ids), table: At(table), y: Written(y)),
            static (c, cpu) => cpu.Gather(c.ids, c.table, c.y));

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Launch(LaunchCost.Of("scatter rows", dy, dy, dy), (ids: At(ids), dy: At(dy), table: Written(table)),
            static (c, cpu) => Embedding.ScatterAdd(c.ids.I32, c.dy.F32, c.table.F32, (int)c.ids.Count, c.table.Columns, cpu._pool));

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        Launch(LaunchCost.Of("copy columns", from, from), (from: At(from), fromColumn, to: Written(to), toColumn, columns, accumulate),
            static (c, _) => CopyColumns(c.from, c.fromColumn, c.to, c.toColumn, c.columns, c.accumulate));

    private void AddRow(CpuTensorView y, CpuTensorView row)
    {
        if (row.DType == DType.F32)
        {
            Elementwise.AddRow(y.F32, row.F32, y.Rows, y.Columns, _pool);
            return;
        }
        float[] wide = ArrayPool<float>.Shared.Rent((int)row.Count);
        Elements.ToFloat(row.Bytes, row.DType.Element, wide, _pool);
        Elementwise.AddRow(y.F32, wide, y.Rows, y.Columns, _pool);
        ArrayPool<float>.Shared.Return(wide);
    }

    private void Gather(CpuTensorView ids, CpuTensorView table, CpuTensorView y)
    {
        if (table.ByteCount > LongestSpan)
        {
            GatherFromLarge(ids, table, y);
        }
        else
        {
            Embedding.Gather(ids.I32, table.Matrix, y.F32, (int)ids.Count, table.Columns, _pool);
        }
    }

    private static void CopyColumns(CpuTensorView from, int fromColumn, CpuTensorView to, int toColumn, int columns, bool accumulate)
    {
        var source = from.F32;
        var target = to.F32;
        for (int r = 0; r < from.Rows; r++)
        {
            var x = source.Slice(r * from.Columns + fromColumn, columns);
            var y = target.Slice(r * to.Columns + toColumn, columns);
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

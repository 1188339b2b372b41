using System.Buffers;
using PeftCore.Kernels;
using PeftCore.Tensors;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace PeftCore.Backends;

/// <summary>Ops that treat a tensor as rows: broadcasts, sums over rows, table look-ups, copies of columns.</summary>
internal sealed class CpuRows(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void AddRow(Tensor y, Tensor row) =>
        Launch(LaunchCost.Of("add row", y, y), (y: Out(y), row: In(row)), static (c, s) => AddRow(c.y, c.row, s));

    public void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Launch(LaunchCost.Of("sum rows", x), (x: In(x), row: Out(row), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    Elementwise.SumRows(c.x.RowsOf(part).F32, c.row.F32, part.Count, c.x.Columns, c.accumulate || part.First > 0, s.Pool);
                }
            });

    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply row", x, y), (x: In(x), row: In(row), y: Out(y), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    Elementwise.MultiplyRow(c.x.RowsOf(part).F32, c.row.F32, c.y.RowsOf(part).F32, part.Count, c.x.Columns, c.accumulate,
                        s.Pool);
                }
            });

    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        Launch(LaunchCost.Of("multiply and sum rows", x, y), (x: In(x), y: In(y), row: Out(row), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    Elementwise.MultiplySumRows(c.x.RowsOf(part).F32, c.y.RowsOf(part).F32, c.row.F32, part.Count, c.x.Columns,
                        c.accumulate || part.First > 0, s.Pool);
                }
            });

    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply column", x, y), (x: In(x), column: In(column), y: Out(y), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    Elementwise.MultiplyColumn(c.x.RowsOf(part).F32, c.column[part].F32, c.y.RowsOf(part).F32, part.Count, c.x.Columns,
                        c.accumulate, s.Pool);
                }
            });

    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Launch(LaunchCost.Of("row dots", x, y), (x: In(x), y: In(y), dots: Out(dots), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    Elementwise.RowDots(c.x.RowsOf(part).F32, c.y.RowsOf(part).F32, c.dots[part].F32, part.Count, c.x.Columns, c.accumulate,
                        s.Pool);
                }
            });

    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        Launch(LaunchCost.Of("copy columns", from, from), (from: In(from), fromColumn, to: Out(to), toColumn, columns, accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.from.Columns < c.to.Columns ? c.to : c.from))
                {
                    CopyColumns(c.from.RowsOf(part), c.fromColumn, c.to.RowsOf(part), c.toColumn, c.columns, c.accumulate);
                }
            });

    public void Gather(Tensor ids, Tensor table, Tensor y) =>
        Launch(LaunchCost.Of("gather rows", y, y), (ids: In(ids), table: In(table), y: Out(y)),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.y))
                {
                    Gather(c.ids[part], c.table, c.y.RowsOf(part), s);
                }
            });

    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Launch(LaunchCost.Of("scatter rows", dy, dy, dy), (ids: In(ids), dy: In(dy), table: Out(table)),
            static (c, s) => Embedding.ScatterAdd(c.ids.I32, c.dy.F32, c.table.F32, (int)c.ids.Count, c.table.Columns, s.Pool));

    private static void AddRow(CpuTensorView y, CpuTensorView row, CpuStream stream)
    {
        if (row.DType == DType.F32)
        {
            AddRow(y, row.F32, stream);
            return;
        }
        float[] rowF32 = ArrayPool<float>.Shared.Rent((int)row.Count);
        Elements.ToFloat(row.Bytes, row.DType.Element, rowF32, stream.Pool);
        AddRow(y, rowF32, stream);
        ArrayPool<float>.Shared.Return(rowF32);
    }

    private static void AddRow(CpuTensorView y, ReadOnlySpan<float> row, CpuStream stream)
    {
        foreach (var part in stream.RowPartsOf(y))
        {
            Elementwise.AddRow(y.RowsOf(part).F32, row, part.Count, y.Columns, stream.Pool);
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
                TensorPrimitives.Add(y, x, y);
            }
            else
            {
                x.CopyTo(y);
            }
        }
    }

    private static void Gather(CpuTensorView ids, CpuTensorView table, CpuTensorView y, CpuStream stream)
    {
        if (table.ByteCount > stream.MaxSpanBytes)
        {
            GatherRowByRow(ids, table, y, stream.Pool);
        }
        else
        {
            Embedding.Gather(ids.I32, table.Matrix, y.F32, (int)ids.Count, table.Columns, stream.Pool);
        }
    }

    // A table that is too large for a span is read one row at a time.
    private static void GatherRowByRow(CpuTensorView ids, CpuTensorView table, CpuTensorView y, WorkerPool pool)
    {
        var rowIds = ids.I32;
        var to = y.F32;
        int rows = table.Shape[0], columns = table.Columns;
        for (int i = 0; i < rowIds.Length; i++)
        {
            if ((uint)rowIds[i] >= (uint)rows)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), $"Id {rowIds[i]} lies outside a table of {rows} rows.");
            }
            var row = new MatrixBlock(table).RowsOf(rowIds[i], 1).Operand;
            Elements.ToFloat(row.Data, row.Type, to.Slice(i * columns, columns), pool);
        }
    }
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Inverses of blocks and products with sparse matrices.</summary>
internal sealed class CpuStructured(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void InvertBlocks(Tensor x, Tensor y) =>
        Launch(LaunchCost.Of("invert blocks", x, y), (x: In(x), y: Out(y)),
            static (c, s) => BlockInverse.Invert(c.x.F32, c.y.F32, c.x.Columns == 0 ? 0 : c.x.Rows / c.x.Columns, c.x.Columns, s.Pool));

    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        Launch(LaunchCost.OfFlops("sparse product", 2.0 * x.Shape.Rows * columns.Count),
            (x: In(x), values: In(values), offsets: In(offsets), columns: In(columns), order: In(order), y: Out(y), accumulate),
            static (c, s) => SparseProducts.Multiply(c.x.F32, c.values.F32, new SparseRows(c.offsets.I32, c.columns.I32, c.order.I32),
                c.y.F32, c.x.Rows, c.x.Columns, c.accumulate, s.Pool));

    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Launch(LaunchCost.OfFlops("sparse gradient", 2.0 * dy.Shape.Rows * rows.Count),
            (dy: In(dy), x: In(x), rows: In(rows), columns: In(columns), dValues: Out(dValues), accumulate),
            static (c, s) => SparseProducts.Gradient(c.dy.F32, c.x.F32, c.rows.I32, c.columns.I32, c.dValues.F32, c.dy.Rows, c.accumulate,
                s.Pool));
}

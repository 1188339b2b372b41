using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        Launch(new LaunchCost("batched products", new Work(2.0 * product.Count * product.M * product.K * product.N, 0)),
            (product, a: At(a), b: At(b), y: Written(c)),
            static (c, cpu) => BatchedProducts.Multiply(c.product, c.a.F32, c.b.F32, c.y.F32, cpu._pool));

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y) =>
        Launch(LaunchCost.Of("invert blocks", x, y), (x: At(x), y: Written(y)),
            static (c, cpu) => BlockInverse.Invert(c.x.F32, c.y.F32, c.x.Columns == 0 ? 0 : c.x.Rows / c.x.Columns, c.x.Columns,
                cpu._pool));

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) =>
        Launch(LaunchCost.Of("top-k softmax", x, y), (x: At(x), k, y: Written(y)),
            static (c, cpu) => TopK.Softmax(c.x.F32, c.k, c.y.F32, c.x.Rows, c.x.Columns, cpu._pool));

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        Launch(new LaunchCost("sparse product", new Work(2.0 * x.Shape.Rows * columns.Count, 0)),
            (x: At(x), values: At(values), offsets: At(offsets), columns: At(columns), order: At(order), y: At(y), accumulate),
            static (c, cpu) => SparseProducts.Multiply(c.x.F32, c.values.F32, new SparseRows(c.offsets.I32, c.columns.I32, c.order.I32),
                c.y.F32,
                c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Launch(new LaunchCost("sparse gradient", new Work(2.0 * dy.Shape.Rows * rows.Count, 0)),
            (dy: At(dy), x: At(x), rows: At(rows), columns: At(columns), dValues: At(dValues), accumulate),
            static (c, cpu) => SparseProducts.Gradient(c.dy.F32, c.x.F32, c.rows.I32, c.columns.I32, c.dValues.F32, c.dy.Rows, c.accumulate,
                cpu._pool));
}

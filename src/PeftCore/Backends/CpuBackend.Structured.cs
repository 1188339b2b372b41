using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) => BatchedProducts.Multiply(product, F32(a), F32(b), F32(Written(c)), _pool);

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y)
    {
        int side = x.Shape.Columns;
        BlockInverse.Invert(F32(x), F32(Written(y)), side == 0 ? 0 : x.Shape.Rows / side, side, _pool);
    }

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) => TopK.Softmax(F32(x), k, F32(Written(y)), x.Shape.Rows, x.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        SparseProducts.Multiply(F32(x), F32(values), new SparseRows(I32(offsets), I32(columns), I32(order)), F32(y), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        SparseProducts.Gradient(F32(dy), F32(x), I32(rows), I32(columns), F32(dValues), dy.Shape.Rows, accumulate, _pool);
}

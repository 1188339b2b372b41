using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        int matrices = product.IsSum ? 1 : product.Count;
        _device.ForEach<Batched, BatchedArgs>((long)matrices * product.M * product.N, new BatchedArgs
        {
            A = F32(a),
            B = F32(b),
            C = F32(c),
            Count = product.Count,
            M = product.M,
            K = product.K,
            N = product.N,
            Accumulate = Flag(product.Accumulate),
            IsSum = Flag(product.IsSum),
            ABatch = product.A.Batch,
            ARow = product.A.Row,
            AColumn = product.A.Column,
            AOffset = product.A.Offset,
            BBatch = product.B.Batch,
            BRow = product.B.Row,
            BColumn = product.B.Column,
            BOffset = product.B.Offset,
            CBatch = product.C.Batch,
            CRow = product.C.Row,
            CColumn = product.C.Column,
            COffset = product.C.Offset,
            Alpha = product.Alpha,
        });
    }

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y)
    {
        if (!ReferenceEquals(x, y))
        {
            Copy(x, y);
        }
        int side = x.Shape.Columns;
        _device.Run<Inverse, InverseArgs>(side == 0 ? 0 : x.Shape.Rows / side, 1, new InverseArgs { X = F32(y), Side = side });
    }

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) => _device.ForEach<TopKForward, TopKArgs>(x.Shape.Rows, new TopKArgs
    {
        X = F32(x),
        Y = F32(y),
        Rows = x.Shape.Rows,
        Columns = x.Shape.Columns,
        K = Math.Min(k, x.Shape.Columns),
    });

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        _device.ForEach<SparseForward, SparseArgs>(y.Count, new SparseArgs
        {
            X = F32(x),
            DOut = None<float>(),
            Values = F32(values),
            Y = F32(y),
            Offsets = I32(offsets),
            Columns = I32(columns),
            Order = I32(order),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = y.Shape.Columns,
            Accumulate = Flag(accumulate),
        });

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        _device.ForEach<SparseEntries, SparseArgs>(dValues.Count, new SparseArgs
        {
            X = F32(x),
            DOut = F32(dy),
            Values = None<float>(),
            Y = F32(dValues),
            Offsets = I32(rows),
            Columns = I32(columns),
            Order = None<int>(),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = dy.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
}

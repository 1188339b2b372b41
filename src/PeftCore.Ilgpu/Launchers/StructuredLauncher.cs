using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        using Float32Staging left = StageIn(a), right = StageIn(b), result = StageOut(c, product.Accumulate);
        int matrices = product.IsSum ? 1 : product.Count;
        _device.ForEach<Batched, BatchedArgs>((long)matrices * product.M * product.N, new BatchedArgs
        {
            A = left.View,
            B = right.View,
            C = result.View,
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
        using var result = StageOut(y, accumulate: true);
        int side = x.Shape.Columns;
        _device.Run<Inverse, InverseArgs>(side == 0 ? 0 : x.Shape.Rows / side, 1, new InverseArgs { X = result.View, Side = side });
    }

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y)
    {
        using Float32Staging given = StageIn(x), result = StageOut(y, accumulate: false);
        _device.ForEach<TopKForward, TopKArgs>(x.Shape.Rows, new TopKArgs
        {
            X = given.View,
            Y = result.View,
            Rows = x.Shape.Rows,
            Columns = x.Shape.Columns,
            K = Math.Min(k, x.Shape.Columns),
        });
    }

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate)
    {
        using Float32Staging given = StageIn(x), entries = StageIn(values), result = StageOut(y, accumulate);
        _device.ForEach<SparseForward, SparseArgs>(y.Count, new SparseArgs
        {
            X = given.View,
            DOut = None<float>(),
            Values = entries.View,
            Y = result.View,
            Offsets = I32(offsets),
            Columns = I32(columns),
            Order = I32(order),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = y.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate)
    {
        using Float32Staging given = StageIn(x), gradient = StageIn(dy), result = StageOut(dValues, accumulate);
        _device.ForEach<SparseEntries, SparseArgs>(dValues.Count, new SparseArgs
        {
            X = given.View,
            DOut = gradient.View,
            Values = None<float>(),
            Y = result.View,
            Offsets = I32(rows),
            Columns = I32(columns),
            Order = None<int>(),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = dy.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }
}

using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Batched products of small matrices, inverses of blocks, top-k softmax, and sparse products.</summary>
internal sealed class StructuredLauncher(LaunchContext gpu)
{
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        using Float32Staging left = gpu.StageIn(a), right = gpu.StageIn(b), result = gpu.StageOut(c, product.Accumulate);
        int matrices = product.IsSum ? 1 : product.Count;
        gpu.ForEach<Batched, BatchedArgs>((long)matrices * product.M * product.N, new BatchedArgs
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

    public void InvertBlocks(Tensor x, Tensor y)
    {
        if (!ReferenceEquals(x, y))
        {
            gpu.Casts.Copy(x, y);
        }
        using var result = gpu.StageOut(y, accumulate: true);
        int side = x.Shape.Columns;
        gpu.Run<Inverse, InverseArgs>(side == 0 ? 0 : x.Shape.Rows / side, 1, new InverseArgs { X = result.View, Side = side });
    }

    public void TopKSoftmax(Tensor x, int k, Tensor y)
    {
        using Float32Staging given = gpu.StageIn(x), result = gpu.StageOut(y, accumulate: false);
        gpu.ForEach<TopKForward, TopKArgs>(x.Shape.Rows, new TopKArgs
        {
            X = given.View,
            Y = result.View,
            Rows = x.Shape.Rows,
            Columns = x.Shape.Columns,
            K = Math.Min(k, x.Shape.Columns),
        });
    }

    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate)
    {
        using Float32Staging given = gpu.StageIn(x), entries = gpu.StageIn(values), result = gpu.StageOut(y, accumulate);
        gpu.ForEach<SparseForward, SparseArgs>(y.Count, new SparseArgs
        {
            X = given.View,
            DOut = gpu.None<float>(),
            Values = entries.View,
            Y = result.View,
            Offsets = gpu.I32(offsets),
            Columns = gpu.I32(columns),
            Order = gpu.I32(order),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = y.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }

    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate)
    {
        using Float32Staging given = gpu.StageIn(x), gradient = gpu.StageIn(dy), result = gpu.StageOut(dValues, accumulate);
        gpu.ForEach<SparseEntries, SparseArgs>(dValues.Count, new SparseArgs
        {
            X = given.View,
            DOut = gradient.View,
            Values = gpu.None<float>(),
            Y = result.View,
            Offsets = gpu.I32(rows),
            Columns = gpu.I32(columns),
            Order = gpu.None<int>(),
            Rows = x.Shape.Rows,
            Inputs = x.Shape.Columns,
            Outputs = dy.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }
}

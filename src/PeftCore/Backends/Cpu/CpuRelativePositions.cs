using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Biases of attention scores from relative positions.</summary>
internal sealed class CpuRelativePositions(CpuStream stream) : CpuLauncher(stream, null)
{
    public void Bias(Tensor table, Tensor buckets, Tensor y) =>
        Launch(LaunchCost.Of("relative bias", buckets, y), (table: In(table), buckets: In(buckets), heads: table.Shape.Columns, y: Out(y)),
            static (c, s) => RelativePositions.Bias(c.table.F32, c.buckets.I32, c.heads, c.y.F32, s.Pool));

    public void BiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of relative bias", buckets, dy),
            (dy: In(dy), buckets: In(buckets), heads: dTable.Shape.Columns, dTable: Out(dTable), accumulate),
            static (c, s) => RelativePositions.BiasGradient(c.dy.F32, c.buckets.I32, c.heads, c.dTable.F32, c.accumulate, s.Pool));

    public void Gather(Tensor x, Tensor index, bool transposed, Tensor y) =>
        Launch(LaunchCost.Of("gather of relative positions", x, y),
            (x: In(x), index: In(index), shape: ShapeOf(x, index), transposed, y: Out(y)),
            static (c, s) => RelativePositions.Gather(c.x.F32, c.index.I32, c.shape, c.transposed, c.y.F32, s.Pool));

    public void GatherGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of gather of relative positions", dy, dx),
            (dy: In(dy), index: In(index), shape: ShapeOf(dx, index), transposed, dx: Out(dx), accumulate),
            static (c, s) => RelativePositions.GatherGradient(c.dy.F32, c.index.I32, c.shape, c.transposed, c.dx.F32, c.accumulate,
                s.Pool));

    internal static RelativeShape ShapeOf(Tensor x, Tensor index) =>
        new(x.Shape[0] * x.Shape[1], index.Shape[0], index.Shape[1], x.Shape[3]);
}

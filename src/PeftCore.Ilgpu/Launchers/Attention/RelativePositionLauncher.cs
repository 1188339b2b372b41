using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Attention;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Biases of attention scores from relative positions.</summary>
internal sealed class RelativePositionLauncher(LaunchContext gpu)
{
    // Thread blocks of a gradient: enough for all processors.
    private const int EnoughBlocks = 1024;

    public void Bias(Tensor table, Tensor buckets, Tensor y) =>
        gpu.ForEach<RelativeBias, RelativeBiasArgs>(y.Count, BiasArgs(table, buckets, y, accumulate: false));

    public void BiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) =>
        gpu.Run<RelativeBiasGradient, RelativeBiasArgs>(checked((int)dTable.Count), 1, BiasArgs(dTable, buckets, dy, accumulate));

    public void Gather(Tensor x, Tensor index, bool transposed, Tensor y) =>
        DTypeSwitch.Element(x.DType, new GatherLaunch(gpu, x, index, transposed, y));

    public void GatherGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) =>
        DTypeSwitch.Element(dx.DType, new GatherGradientLaunch(gpu, dy, index, transposed, dx, accumulate));

    private RelativeBiasArgs BiasArgs(Tensor table, Tensor buckets, Tensor y, bool accumulate) => new()
    {
        Table = gpu.F32(table),
        Y = gpu.F32(y),
        Buckets = gpu.I32(buckets),
        Heads = table.Shape[1],
        Pairs = checked((int)buckets.Count),
        TableRows = table.Shape[0],
        Accumulate = Flag(accumulate),
    };

    private static GatherRelativeArgs<TElement> Args<TElement>(LaunchContext gpu, Tensor x, Tensor index, bool transposed, Tensor y)
        where TElement : unmanaged, IElement<TElement> => new()
        {
            X = gpu.View<TElement>(x),
            Y = gpu.F32(y),
            Index = gpu.I32(index),
            Batch = x.Shape[0] * x.Shape[1],
            Rows = index.Shape[0],
            Columns = index.Shape[1],
            Width = x.Shape[3],
            Transposed = Flag(transposed),
        };

    private readonly record struct GatherLaunch(LaunchContext Gpu, Tensor X, Tensor Index, bool Transposed, Tensor Y) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> =>
            Gpu.ForEach<GatherRelative<TElement>, GatherRelativeArgs<TElement>>(Y.Count, Args<TElement>(Gpu, X, Index, Transposed, Y));
    }

    private readonly record struct GatherGradientLaunch(
        LaunchContext Gpu, Tensor DY, Tensor Index, bool Transposed, Tensor DX, bool Accumulate) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = Args<TElement>(Gpu, DX, Index, Transposed, DY);
            args.Accumulate = Flag(Accumulate);
            int splits = Math.Clamp(EnoughBlocks / Math.Max(1, args.Rows), 1, Math.Max(1, args.Batch));
            Gpu.Run<GatherRelativeGradient<TElement>, GatherRelativeArgs<TElement>>(args.Batch == 0 ? 0 : args.Rows, splits, args);
        }
    }
}

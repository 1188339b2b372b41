using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Convolutions;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Patches of convolutions, whose products are those of <see cref="GemmLauncher"/>, and group normalization, in F32 and
/// BF16.</summary>
internal sealed class ConvolutionLauncher(LaunchContext gpu, RowLauncher rows)
{
    private const int ElementsOfSplit = 2048, MostSplits = 32;

    public void Pack(Tensor x, PatchGrid grid, int group, int first, Tensor p)
    {
        DTypeSwitch.Element(x.DType, new PatchLaunch(gpu, x, grid, group, first, p, Adds: false));
        gpu.Written(p);
    }

    public void Add(Tensor dp, PatchGrid grid, int group, int first, Tensor dx)
    {
        DTypeSwitch.Element(dx.DType, new PatchLaunch(gpu, dx, grid, group, first, dp, Adds: true));
        gpu.Written(dx);
    }

    public void WeightChannelsLast(Tensor weight, int channels, Tensor channelsLast)
    {
        DTypeSwitch.Element(weight.DType, new ChannelsLastLaunch(gpu, weight, channels, channelsLast));
        gpu.Written(channelsLast);
    }

    public void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd, float epsilon)
    {
        DTypeSwitch.Element(x.DType, new ForwardLaunch(gpu, shape, x, weight, bias, y, mean, rstd, epsilon));
        gpu.Written(y);
    }

    public void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias)
    {
        if (dx is not null)
        {
            DTypeSwitch.Element(x.DType, new BackwardLaunch(gpu, shape, x, weight, mean, rstd, dy, dx, null, accumulateDx));
            gpu.Written(dx);
        }
        if (dWeight is not null)
        {
            DTypeSwitch.Element(x.DType, new BackwardLaunch(gpu, shape, x, weight, mean, rstd, dy, null, dWeight, accumulateDWeight));
            gpu.Written(dWeight);
        }
        if (dBias is not null)
        {
            rows.SumRows(dy, dBias, accumulateDBias);
        }
    }

    /// <summary>Parts of a group that are summed apart, so that a few groups keep a card busy.</summary>
    private static int SplitsOf(GroupShape shape) => Math.Clamp(shape.Width * shape.Positions / ElementsOfSplit, 1, MostSplits);

    private readonly record struct PatchLaunch(LaunchContext Gpu, Tensor X, PatchGrid Grid, int Group, int First, Tensor P, bool Adds)
        : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = new PackingArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                P = Gpu.View<TElement>(P),
                Height = Grid.Height,
                Width = Grid.Width,
                Channels = Grid.Channels,
                KernelHeight = Grid.KernelHeight,
                KernelWidth = Grid.KernelWidth,
                OutHeight = Grid.OutHeight,
                OutWidth = Grid.OutWidth,
                StrideHeight = Grid.StrideHeight,
                StrideWidth = Grid.StrideWidth,
                PadTop = Grid.PadTop,
                PadLeft = Grid.PadLeft,
                DilationHeight = Grid.DilationHeight,
                DilationWidth = Grid.DilationWidth,
                Upsampling = Grid.Upsampling,
                FirstChannel = Group * Grid.GroupChannels,
                GroupChannels = Grid.GroupChannels,
                Columns = Grid.Columns,
                First = First,
                Rows = P.Shape.Rows,
            };
            Gpu.Moves(X, P);
            if (Adds)
            {
                Gpu.ForEach<UnpackPatches<TElement>, PackingArgs<TElement>>((long)Grid.Positions * Grid.GroupChannels, args);
            }
            else
            {
                Gpu.ForEach<PackPatches<TElement>, PackingArgs<TElement>>(P.Count, args);
            }
        }
    }

    private readonly record struct ChannelsLastLaunch(LaunchContext Gpu, Tensor Weight, int Channels, Tensor ChannelsLast) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            Gpu.Moves(Weight, ChannelsLast);
            var args = new WeightChannelsLastArgs<TElement>
            {
                Weight = Gpu.View<TElement>(Weight),
                ChannelsLast = Gpu.View<BFloat16>(ChannelsLast),
                Channels = Channels,
                Taps = Weight.Shape.Columns / Channels,
            };
            Gpu.ForEach<WeightChannelsLast<TElement>, WeightChannelsLastArgs<TElement>>((long)Weight.Shape.Rows * Channels, args);
        }
    }

    private readonly record struct ForwardLaunch(LaunchContext Gpu, GroupShape Shape, Tensor X, Tensor Weight, Tensor Bias, Tensor Y,
        Tensor Mean, Tensor Rstd, float Epsilon) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            using Float32Staging weight = Gpu.StageIn(Weight), bias = Gpu.StageIn(Bias);
            long groups = (long)Shape.Batch * Shape.Groups;
            int splits = SplitsOf(Shape);
            using var sums = new Scratch(Gpu, 2 * groups * splits);
            var args = new GroupNormArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                Y = Gpu.View<TElement>(Y),
                DOut = Gpu.None<TElement>(),
                Weight = weight.View,
                Bias = bias.View,
                Mean = Gpu.F32(Mean),
                Rstd = Gpu.F32(Rstd),
                DWeight = Gpu.None<float>(),
                Sums = sums.View,
                Splits = splits,
                Epsilon = Epsilon,
                Positions = Shape.Positions,
                Channels = Shape.Channels,
                Groups = Shape.Groups,
            };
            Gpu.Moves(X);
            Gpu.Run<GroupNormSum<TElement>, GroupNormArgs<TElement>>(groups, splits, args);
            Gpu.Moves(X);
            Gpu.Run<GroupNormSquares<TElement>, GroupNormArgs<TElement>>(groups, splits, args);
            Gpu.Moves(X, Y);
            Gpu.Run<GroupNormForward<TElement>, GroupNormArgs<TElement>>(groups, splits, args);
        }
    }

    /// <summary>The gradient of x, or without dx that of the weight.</summary>
    private readonly record struct BackwardLaunch(LaunchContext Gpu, GroupShape Shape, Tensor X, Tensor Weight, Tensor Mean, Tensor Rstd,
        Tensor DY, Tensor? DX, Tensor? DWeight, bool Accumulate) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            using var weight = Gpu.StageIn(Weight);
            long groups = (long)Shape.Batch * Shape.Groups;
            int splits = SplitsOf(Shape);
            using var sums = new Scratch(Gpu, DX is null ? 0 : 2 * groups * splits);
            var args = new GroupNormArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                Y = DX is null ? Gpu.None<TElement>() : Gpu.View<TElement>(DX),
                DOut = Gpu.View<TElement>(DY),
                Weight = weight.View,
                Bias = Gpu.None<float>(),
                Mean = Gpu.F32(Mean),
                Rstd = Gpu.F32(Rstd),
                DWeight = Gpu.F32OrNone(DWeight),
                Sums = sums.View,
                Splits = splits,
                Positions = Shape.Positions,
                Channels = Shape.Channels,
                Groups = Shape.Groups,
                Rows = Shape.Batch * Shape.Positions,
                Accumulate = Flag(Accumulate),
            };
            Gpu.Moves(X, DY);
            if (DX is null)
            {
                Gpu.Run<GroupNormWeight<TElement>, GroupNormArgs<TElement>>(Shape.Channels, 1, args);
            }
            else
            {
                Gpu.Run<GroupNormDots<TElement>, GroupNormArgs<TElement>>(groups, splits, args);
                Gpu.Moves(X, DY, DX);
                Gpu.Run<GroupNormBackward<TElement>, GroupNormArgs<TElement>>(groups, splits, args);
            }
        }
    }
}

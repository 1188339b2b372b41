using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Kernel, stride, padding, dilation and groups of a convolution. One over sequences has height 1.</summary>
/// <param name="KernelHeight">Rows of the kernel.</param>
/// <param name="KernelWidth">Columns of the kernel.</param>
internal sealed record ConvolutionSpec(int KernelHeight, int KernelWidth)
{
    /// <summary>Spatial axes of x: 1 for (batch, length, channels), 2 for (batch, height, width, channels).</summary>
    public int Axes { get; init; } = 2;

    public int StrideHeight { get; init; } = 1;

    public int StrideWidth { get; init; } = 1;

    public int DilationHeight { get; init; } = 1;

    public int DilationWidth { get; init; } = 1;

    public int PadTop { get; init; }

    public int PadBottom { get; init; }

    public int PadLeft { get; init; }

    public int PadRight { get; init; }

    /// <summary>Groups of channels; each group of outputs sees one.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Nearest upsampling of x before the convolution, in both directions; the larger picture is never stored.</summary>
    public int Upsampling { get; init; } = 1;

    /// <summary>Whether y at a position depends on x at that position only, so that the convolution is a linear layer.</summary>
    public bool IsPointwise => this is
    {
        KernelHeight: 1, KernelWidth: 1, StrideHeight: 1, StrideWidth: 1, PadTop: 0, PadBottom: 0, PadLeft: 0, PadRight: 0, Groups: 1,
        Upsampling: 1
    };

    /// <summary>A convolution over sequences.</summary>
    public static ConvolutionSpec Over1(int kernel, int stride = 1, int padding = 0, int dilation = 1, int groups = 1) =>
        new(1, kernel)
        {
            Axes = 1,
            StrideWidth = stride,
            PadLeft = padding,
            PadRight = padding,
            DilationWidth = dilation,
            Groups = groups,
        };

    /// <summary>A convolution over pictures with a square kernel.</summary>
    public static ConvolutionSpec Over2(int kernel, int stride = 1, int padding = 0, int dilation = 1, int groups = 1) =>
        new(kernel, kernel)
        {
            StrideHeight = stride,
            StrideWidth = stride,
            PadTop = padding,
            PadBottom = padding,
            PadLeft = padding,
            PadRight = padding,
            DilationHeight = dilation,
            DilationWidth = dilation,
            Groups = groups,
        };

    /// <summary>The extents for an input.</summary>
    /// <exception cref="ShapeException">x has other axes, its channels do not divide into the groups, or the kernel is larger than the
    /// padded x.</exception>
    public PatchGrid On(Shape x)
    {
        if (x.Rank != Axes + 2)
        {
            throw new ShapeException("convolution",
                $"needs x ({(Axes == 1 ? "batch, length" : "batch, height, width")}, channels), got {x}");
        }
        int height = Axes == 1 ? 1 : x[1], width = x[^2], channels = x[^1];
        if (channels % Groups != 0)
        {
            throw new ShapeException("convolution", $"{channels} channels do not divide into {Groups} groups");
        }
        int outHeight = Extent(height, KernelHeight, StrideHeight, DilationHeight, PadTop + PadBottom);
        int outWidth = Extent(width, KernelWidth, StrideWidth, DilationWidth, PadLeft + PadRight);
        if (outHeight < 1 || outWidth < 1)
        {
            throw new ShapeException("convolution",
                $"a kernel of {KernelHeight} × {KernelWidth} does not fit in x {x}; the padded input must be at least as large");
        }
        return new PatchGrid(x[0], height, width, channels, KernelHeight, KernelWidth, outHeight, outWidth)
        {
            StrideHeight = StrideHeight,
            StrideWidth = StrideWidth,
            PadTop = PadTop,
            PadLeft = PadLeft,
            DilationHeight = DilationHeight,
            DilationWidth = DilationWidth,
            Groups = Groups,
            Upsampling = Upsampling,
        };
    }

    /// <summary>The shape of y, or of the patches, for a number of columns.</summary>
    public Shape ShapeOf(in PatchGrid grid, int columns) => Axes == 1
        ? [grid.Batch, grid.OutWidth, columns]
        : [grid.Batch, grid.OutHeight, grid.OutWidth, columns];

    private int Extent(int extent, int kernel, int stride, int dilation, int padding)
    {
        int span = extent * Upsampling + padding - dilation * (kernel - 1) - 1;
        return span < 0 ? 0 : span / stride + 1;
    }
}

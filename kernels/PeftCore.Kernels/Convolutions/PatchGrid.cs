namespace PeftCore.Kernels;

/// <summary>The extents of a convolution over channels-last pictures (batch, height, width, channels). A patch is the part of the input
/// that one output position sees, as a row of (channel, kernel row, kernel column): the order of a row of PyTorch's weight. A
/// convolution over sequences has height 1.</summary>
/// <param name="Batch">Pictures.</param>
/// <param name="Height">Rows of x.</param>
/// <param name="Width">Columns of x.</param>
/// <param name="Channels">Channels of x.</param>
/// <param name="KernelHeight">Rows of the kernel.</param>
/// <param name="KernelWidth">Columns of the kernel.</param>
/// <param name="OutHeight">Rows of y.</param>
/// <param name="OutWidth">Columns of y.</param>
internal readonly record struct PatchGrid(
    int Batch, int Height, int Width, int Channels, int KernelHeight, int KernelWidth, int OutHeight, int OutWidth)
{
    /// <summary>Input rows from one output row to the next.</summary>
    public int StrideHeight { get; init; } = 1;

    /// <summary>Input columns from one output column to the next.</summary>
    public int StrideWidth { get; init; } = 1;

    /// <summary>Rows of zeros above x.</summary>
    public int PadTop { get; init; }

    /// <summary>Columns of zeros left of x.</summary>
    public int PadLeft { get; init; }

    /// <summary>Input rows from one kernel row to the next.</summary>
    public int DilationHeight { get; init; } = 1;

    /// <summary>Input columns from one kernel column to the next.</summary>
    public int DilationWidth { get; init; } = 1;

    /// <summary>Groups of channels; each output sees one group.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Each position of x counts as a square of this many equal ones in each direction (nearest upsampling).</summary>
    public int Upsampling { get; init; } = 1;

    /// <summary>Output positions: the number of patches.</summary>
    public int Rows => checked(Batch * OutHeight * OutWidth);

    /// <summary>Positions of x.</summary>
    public int Positions => checked(Batch * Height * Width);

    /// <summary>Positions of the kernel.</summary>
    public int Taps => KernelHeight * KernelWidth;

    /// <summary>Channels of one group.</summary>
    public int GroupChannels => Channels / Groups;

    /// <summary>The transposed convolution: that of dy with the flipped kernel, whose result is dx. For a stride of 1 and one group; dx at
    /// (h, w) sums dy at (h + top − i·dilation, w + left − j·dilation) over kernel positions (i, j).</summary>
    /// <param name="outputs">Channels of dy.</param>
    public PatchGrid Transposed(int outputs) => this with
    {
        Height = OutHeight,
        Width = OutWidth,
        Channels = outputs,
        OutHeight = Height,
        OutWidth = Width,
        PadTop = (KernelHeight - 1) * DilationHeight - PadTop,
        PadLeft = (KernelWidth - 1) * DilationWidth - PadLeft,
    };

    /// <summary>Rows from the last row of x to that at which the lowest patches begin.</summary>
    public int LastTop => (OutHeight - 1) * StrideHeight - PadTop - (Height - 1);

    /// <summary>Columns from the last column of x to that at which the rightmost patches begin.</summary>
    public int LastLeft => (OutWidth - 1) * StrideWidth - PadLeft - (Width - 1);

    /// <summary>Elements of the patch of one group.</summary>
    public int Columns => checked(GroupChannels * Taps);
}

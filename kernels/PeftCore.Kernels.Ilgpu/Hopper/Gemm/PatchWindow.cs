namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Extents of a convolution whose patches are the rows of A: see <see cref="PatchGrid"/>. K is cut into one part a kernel
/// position, each of all channels.</summary>
internal struct PatchExtents
{
    /// <summary>Stages of K that one kernel position takes: channels/64.</summary>
    public int ChannelSteps;

    public int Taps, KernelWidth, OutHeight, OutWidth, StrideHeight, StrideWidth, PadTop, PadLeft, DilationHeight, DilationWidth;

    /// <summary>Of B, the step from one kernel position to the next: rows of K in the product itself; columns in the gradient of x, which
    /// takes the positions in reverse.</summary>
    public int TapRows, TapColumns;
}

/// <summary>What the copy engine reads of x for one tile of A: the place at which kernel position (0, 0) of the tile's first patch
/// lies.</summary>
internal struct PatchWindow
{
    public int Picture, Top, Left;

    /// <summary>The window of the tile that begins at an output position.</summary>
    public static PatchWindow Of(PatchExtents extents, int position)
    {
        int line = position / extents.OutWidth, picture = line / extents.OutHeight;
        return new PatchWindow
        {
            Picture = picture,
            Top = ((line - (picture * extents.OutHeight)) * extents.StrideHeight) - extents.PadTop,
            Left = ((position - (line * extents.OutWidth)) * extents.StrideWidth) - extents.PadLeft,
        };
    }
}

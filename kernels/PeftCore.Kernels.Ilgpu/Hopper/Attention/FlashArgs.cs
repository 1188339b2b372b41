namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>A view as a launch passes it: what a kernel sees as an ArrayView.</summary>
internal struct RawView
{
    public nint Address;
    public long Length;
}

/// <summary>The copy engine's description of heads in memory: an opaque CUtensorMap, on 64 bytes as the first arguments of a kernel
/// are.</summary>
internal readonly record struct CopyMap(long W0, long W1, long W2, long W3, long W4, long W5, long W6, long W7, long W8, long W9, long W10,
    long W11,
    long W12, long W13, long W14, long W15);

/// <summary>Arguments of attention on Hopper. <typeparamref name="TView"/> is an ArrayView in the kernel and a <see cref="RawView"/>
/// outside; both look alike in memory.</summary>
internal struct FlashArgs<TView> where TView : struct
{
    /// <summary>What stays (q, or q and dO, or k and v), what passes (k and v, or q and dO), what comes out (o, dQ, or dK and dV).
    /// The macros address these by their order.</summary>
    public CopyMap Kept0, Kept1, Passing0, Passing1, Result0, Result1;

    public TView Ranges;

    /// <summary>Tiles given out beyond each thread block's first, and thread blocks that are done. The last one sets both back to
    /// 0.</summary>
    public TView Counters;
    public long Lse, Delta;
    public int Batch, Queries, Keys, Heads, KeyHeads, HasRanges, Add0, Add1;

    /// <summary>Tiles of what stays, work tiles in all, and batch rows times heads whose other side stays in the L2 cache
    /// together.</summary>
    public int Tiles, WorkTiles, Section;

    /// <summary>Parts that the query heads of one key head are cut into for the keys' gradient, each a work tile with a result of its
    /// own.</summary>
    public int Shares;

    public float Scale, ScaleLog2;
}

/// <summary>Head dimensions, and the macros that say which kernel for which of them this is: they must be constants.</summary>
internal interface IFlashDim
{
    static abstract int Dim { get; }

    static abstract void BeginForward();

    static abstract void BeginQueryGradient();
}

/// <summary>The same for the gradients of keys and values, with which of them a kernel computes.</summary>
internal interface IFlashKeys
{
    static abstract int Dim { get; }

    static abstract bool Keys { get; }

    static abstract bool Values { get; }

    static abstract void BeginKeyGradient();
}

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The memory layout of an ArrayView, for launches that bypass ILGPU.</summary>
internal struct RawView
{
    public nint Address;
    public long Length;
}

/// <summary>A CUtensorMap, the copy engine's opaque description of heads in memory. It must start at a multiple of 64 bytes, as the first
/// arguments of a kernel do.</summary>
internal readonly record struct CopyMap(long W0, long W1, long W2, long W3, long W4, long W5, long W6, long W7, long W8, long W9, long W10,
    long W11, long W12, long W13, long W14, long W15);

/// <summary>Arguments of attention on Hopper. <typeparamref name="TView"/> is an ArrayView in the kernel and a <see cref="RawView"/> of the
/// same memory layout on the host.</summary>
internal struct FlashArgs<TView> where TView : struct
{
    /// <summary>Maps of the operands that a thread block keeps (q; q and dO; or k and v), of those that it iterates over (k and v; or q and
    /// dO), and of its results (o; dQ; or dK and dV). The macros address them by their order.</summary>
    public CopyMap Kept0, Kept1, Passing0, Passing1, Result0, Result1;

    public TView Ranges;

    /// <summary>Two counters: work tiles taken beyond each thread block's first, and thread blocks that have ended. The last thread block
    /// sets both to 0 again.</summary>
    public TView Counters;

    /// <summary>ALiBi slopes and sinks, a number a head, as the bits of floats.</summary>
    public TView Slopes, Sinks;

    /// <summary>The low and high half of the passes since the captured one (see <see cref="DropoutStream"/>).</summary>
    public TView Passes;
    public long Lse, Delta;

    /// <summary>Address of the bias, and elements from one batch row and head to the next (see <see cref="BiasStrides"/>).</summary>
    public long Bias, BiasBatch, BiasHead;

    /// <summary>Address of the bias gradient, which has an element for each score, or 0.</summary>
    public long DBias;

    /// <summary>The key of dropout's mask.</summary>
    public ulong Seed, Stream;
    public int Batch, Queries, Keys, Heads, KeyHeads, HasRanges, Add0, Add1;

    /// <summary>Terms beyond q·k; a bias is 2 where it can be read two at a time.</summary>
    public int HasBias, HasSlopes, HasSinks, HasCap;

    /// <summary>Tiles of a kept operand for each head; all work tiles; and pairs of batch row and head in a section, whose streamed
    /// operands fit the L2 cache together.</summary>
    public int Tiles, WorkTiles, Section;

    /// <summary>Splits that the query heads of one key head are cut into for the keys' gradient; each split has work tiles and a result of
    /// its own.</summary>
    public int Splits;

    public float Scale, ScaleLog2, InverseScale;

    /// <summary>2·log₂e·scale/cap, cap/scale and its inverse, for a soft cap.</summary>
    public float CapExponent, CapScore, CapInverse;

    /// <summary>The factor of a kept probability (<see cref="AttentionDropout.Scale"/>).</summary>
    public float KeptScale;

    /// <summary>A probability is dropped if the top 24 bits of its random word are below this, which is p·2²⁴; 0 for no dropout.</summary>
    public uint DropBelow;
}

/// <summary>A head dimension, and the macros that name the kernel and its dimension. Macros take constants only, so each dimension is a
/// type.</summary>
internal interface IFlashDim
{
    static abstract int Dim { get; }

    static abstract void BeginForward();

    static abstract void BeginQueryGradient();
}

/// <summary>A head dimension of the kernels for the gradients of keys and values, and which of the two they compute.</summary>
internal interface IFlashKeys
{
    static abstract int Dim { get; }

    static abstract bool Keys { get; }

    static abstract bool Values { get; }

    static abstract void BeginKeyGradient();
}

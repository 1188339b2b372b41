namespace PeftCore.Kernels.Ilgpu;

/// <summary>The way in which a tile of a result is written from registers.</summary>
internal enum ResultStore
{
    /// <summary>Two neighbouring columns at a time: rows start at multiples of two elements.</summary>
    Pairs,

    /// <summary>One number at a time, at any strides: for odd widths and swap-AB.</summary>
    Singles,

    /// <summary>BF16 by the copy engine, through shared memory: rows start at multiples of 16 bytes.</summary>
    Copied,
}

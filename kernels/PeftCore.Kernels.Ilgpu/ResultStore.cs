namespace PeftCore.Kernels.Ilgpu;

/// <summary>How a tile of a result leaves the registers.</summary>
internal enum ResultStore
{
    /// <summary>Two neighbouring columns at a time: a row starts where two numbers may be written at once.</summary>
    Pairs,

    /// <summary>One number at a time, at any strides: odd widths, and results whose operands were swapped.</summary>
    Singles,

    /// <summary>BF16 through shared memory by the copy engine: rows start at multiples of 16 bytes.</summary>
    Copied,
}

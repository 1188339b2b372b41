namespace PeftCore.Kernels;

/// <summary>A format of GGUF files that stores a row of weights as blocks of small integers with scales (ggml's block formats). A block is
/// independent of the others; a row is a whole number of blocks.</summary>
internal interface IBlockFormat
{
    /// <summary>Weights of a block.</summary>
    static abstract int Elements { get; }

    /// <summary>Bytes of a block.</summary>
    static abstract int Bytes { get; }

    /// <summary>Dequantises one block.</summary>
    /// <param name="block">Its <see cref="Bytes"/>.</param>
    /// <param name="values">Its <see cref="Elements"/> weights.</param>
    static abstract void Dequantize(ReadOnlySpan<byte> block, Span<float> values);
}

namespace PeftCore.Kernels;

/// <summary>Extents of the gated delta rule.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="KeyHeads">Heads of queries and keys.</param>
/// <param name="ValueHeads">Heads of values, a multiple; consecutive ones share a key head.</param>
/// <param name="KeyDim">Columns of a query or key.</param>
/// <param name="ValueDim">Columns of a value.</param>
internal readonly record struct DeltaShape(int Batch, int Length, int KeyHeads, int ValueHeads, int KeyDim, int ValueDim)
{
    /// <summary>Tokens between two states that backward stores: √T states of one kind and √T of the other for T = 4096.</summary>
    public const int Chunk = 64;

    /// <summary>Value heads that share a key head.</summary>
    public int Shared => ValueHeads / KeyHeads;

    /// <summary>Elements of a head's state.</summary>
    public int StateCount => KeyDim * ValueDim;

    /// <summary>Chunks of a sequence.</summary>
    public int Chunks => (Length + Chunk - 1) / Chunk;

    /// <summary>States that backward holds for one head at once: those at the starts of chunks, and those of one chunk's tokens.</summary>
    public int BackwardStates => Chunks + Math.Min(Length, Chunk) + 1;
}

namespace PeftCore.Kernels;

/// <summary>Elements between the matrices of an additive bias of shape (batch or 1, heads or 1, queries, keys); 0 broadcasts a
/// matrix.</summary>
internal readonly record struct BiasStrides(long Batch, long Head)
{
    public static BiasStrides Of(in AttentionShape shape, bool perBatch, bool perHead)
    {
        long matrix = (long)shape.QueryLength * shape.KeyLength;
        return new BiasStrides(perBatch ? matrix * (perHead ? shape.Heads : 1) : 0, perHead ? matrix : 0);
    }

    /// <summary>Elements of the bias.</summary>
    public long Count(in AttentionShape shape) =>
        (long)shape.QueryLength * shape.KeyLength * (Batch == 0 ? 1 : shape.Batch) * (Head == 0 ? 1 : shape.Heads);

    /// <summary>Whether each score has an element of its own, so that its gradient has one contribution.</summary>
    public bool IsFull(in AttentionShape shape) => (Batch != 0 || shape.Batch == 1) && (Head != 0 || shape.Heads == 1);
}

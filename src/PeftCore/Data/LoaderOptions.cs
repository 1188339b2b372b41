namespace PeftCore.Data;

/// <summary>How samples become batches.</summary>
public sealed record LoaderOptions
{
    /// <summary>How many rows a batch has; the last of an epoch may have fewer.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The token to pad with.</summary>
    public required int PadId { get; init; }

    /// <summary>The seed of the order.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether each epoch has its own order; otherwise samples come as they are.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>The length of the rows that several samples are packed into, or null for one sample a row.</summary>
    public int? PackInto { get; init; }

    /// <summary>Rows are padded to the longest of the batch, rounded up to a multiple of this.</summary>
    public int PadToMultipleOf { get; init; } = 1;
}

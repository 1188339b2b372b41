namespace PeftCore.Data;

/// <summary>Options of a <see cref="DataLoader"/>.</summary>
public sealed class LoaderOptions
{
    /// <summary>Rows of a batch; the last batch of an epoch may have fewer.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The padding token.</summary>
    public required int PadId { get; init; }

    /// <summary>Seed of the order.</summary>
    public ulong Seed { get; init; } = DefaultSeed.Value;

    /// <summary>Whether to shuffle the samples anew in each epoch.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Row length for packing several samples into a row; null for one sample a row.</summary>
    public int? PackInto { get; init; }

    /// <summary>Rows are padded to the longest of the batch, rounded up to a multiple of this.</summary>
    internal int PadToMultipleOf { get; init; } = 1;
}

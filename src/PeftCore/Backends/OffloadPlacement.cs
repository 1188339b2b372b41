namespace PeftCore.Backends;

/// <summary>Where the frozen matrices of a model's blocks are kept. A plan makes it, and the loader of a model follows it.</summary>
/// <param name="Blocks">All blocks that have frozen matrices, in the order in which they run.</param>
/// <param name="Place">Where the matrices of offloaded blocks are kept.</param>
internal sealed record OffloadPlacement(IReadOnlyList<BlockWeights> Blocks, OffloadPlace Place)
{
    /// <summary>The offloaded blocks.</summary>
    public IEnumerable<BlockWeights> Offloaded => Blocks.Where(block => block.IsOffloaded);

    /// <summary>Bytes of the matrices of offloaded blocks.</summary>
    public long OffloadedBytes => Offloaded.Sum(block => block.Bytes);

    /// <summary>A placement with as many offloaded blocks, spread evenly from the first block to the last, so that the link waits for
    /// nothing but the head and the optimizer's step.</summary>
    public OffloadPlacement With(int offloaded)
    {
        var chosen = Enumerable.Range(0, offloaded).Select(i => i * (Blocks.Count - 1) / Math.Max(1, offloaded - 1)).ToHashSet();
        return this with { Blocks = [.. Blocks.Select((block, i) => block with { IsOffloaded = chosen.Contains(i) })] };
    }
}

/// <summary>The frozen matrices of one block.</summary>
/// <param name="Index">The block's index in the model.</param>
/// <param name="Path">The block's path.</param>
/// <param name="Matrices">Path and bytes of each matrix.</param>
/// <param name="IsOffloaded">Whether they are kept off the device.</param>
internal sealed record BlockWeights(int Index, string Path, IReadOnlyList<(string Path, long Bytes)> Matrices, bool IsOffloaded = false)
{
    /// <summary>Bytes of all matrices, each rounded up to the arena's granularity: the bytes of the block in a slot.</summary>
    public long Bytes { get; } = Matrices.Sum(matrix => Arena.Round(matrix.Bytes));
}

/// <summary>Where offloaded weights are kept.</summary>
internal enum OffloadPlace
{
    /// <summary>In host memory, from which they are copied to the device ahead of use.</summary>
    Host,

    /// <summary>In the memory map of the weight file, from which the processor reads them.</summary>
    Disk,
}

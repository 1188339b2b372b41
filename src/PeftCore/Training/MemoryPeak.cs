using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A peak of memory, by category.</summary>
/// <param name="memory">The ledger whose peak is kept, as it is now.</param>
internal sealed class MemoryPeak(MemoryLedger memory)
{
    public long Bytes { get; } = memory.PeakBytes;

    public IReadOnlyDictionary<MemoryKind, long> Kinds { get; } =
        Enum.GetValues<MemoryKind>().ToDictionary(kind => kind, memory.AtPeak);
}

using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>How a GPU backend computes.</summary>
/// <param name="ComputeDType">How activations are stored and what matrix products round their operands to: <see cref="DType.F32"/>, or <see
/// cref="DType.BF16"/>, which puts tensor cores to work where the card has them. Sums are F32 either way, and so are parameters that
/// train.</param>
/// <param name="Poison">Fill new memory with NaN, so that reading before writing shows.</param>
/// <param name="MemoryLimit">The most bytes to take from the card.</param>
/// <param name="Replays">Training passes over batches of one shape are recorded and replayed.</param>
public sealed record IlgpuOptions(DType ComputeDType = DType.F32, bool Poison = false, long MemoryLimit = long.MaxValue,
    bool Replays = true)
{
    /// <summary>Use no more of a card than compute capability 8.0 has, to check that path on newer ones.</summary>
    internal bool AsAmpere { get; init; }
}

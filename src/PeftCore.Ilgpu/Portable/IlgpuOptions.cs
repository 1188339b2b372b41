using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>How a GPU backend computes.</summary>
/// <param name="ComputeDType">What matrix products round their operands to: <see cref="DType.F32"/> leaves them as they are,
/// <see cref="DType.BF16"/> puts tensor cores to work where the card has them. Sums and results are F32 either way.</param>
/// <param name="Poison">Fill new memory with NaN, so that reading before writing shows.</param>
public sealed record IlgpuOptions(DType ComputeDType = DType.F32, bool Poison = false)
{
    /// <summary>Use no more of a card than compute capability 8.0 has, to check that path on newer ones.</summary>
    internal bool AsAmpere { get; init; }
}

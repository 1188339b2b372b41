using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>How a GPU backend computes.</summary>
/// <param name="ComputeDType">The dtype of activations, and of the operands of matrix products: <see cref="DType.F32"/>, or
/// <see cref="DType.BF16"/>, with which products run on tensor cores where the card has them. Sums and trainable parameters are F32 either
/// way.</param>
/// <param name="Poison">Fill new memory with NaN, so that a read before the first write shows.</param>
/// <param name="MemoryLimit">The most bytes to take from the card.</param>
/// <param name="CaptureGraphs">Capture training passes over batches of one shape as graphs, and replay them.</param>
public sealed record IlgpuOptions(DType ComputeDType = DType.F32, bool Poison = false, long MemoryLimit = long.MaxValue,
    bool CaptureGraphs = true)
{
    /// <summary>Use only what compute capability 8.0 has, to test that path on newer cards.</summary>
    internal bool AsAmpere { get; init; }
}

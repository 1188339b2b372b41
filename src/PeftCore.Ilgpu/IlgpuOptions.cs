using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Options of a GPU backend.</summary>
/// <param name="ComputeDType">The dtype of activations, and of the operands of matrix products: <see cref="DType.F32"/>, or
/// <see cref="DType.BF16"/>, with which products run on the card's tensor cores. Sums and trainable parameters are always F32.</param>
/// <param name="Poison">Fill new memory with NaN, which reveals reads of memory that was never written.</param>
/// <param name="MemoryLimit">Upper bound of the bytes allocated on the card.</param>
/// <param name="CaptureGraphs">Capture training passes over batches of one shape as graphs, and replay them.</param>
internal sealed record IlgpuOptions(DType ComputeDType = DType.F32, bool Poison = false, long MemoryLimit = long.MaxValue,
    bool CaptureGraphs = true)
{
    /// <summary>Use only features of compute capability 8.0, to test that path on newer cards.</summary>
    internal bool AsAmpere { get; init; }

    /// <summary>Bytes of a chunk of the arena; null for those of the device.</summary>
    internal long? ChunkBytes { get; init; }
}

using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>How a GPU backend computes.</summary>
/// <param name="ComputeDType">What matrix products round their operands to: <see cref="DType.F32"/> keeps them, <see cref="DType.BF16"/> uses
/// tensor cores for weights stored in BF16. Sums are F32 either way.</param>
/// <param name="Poison">Fill new memory with NaN, so that reading before writing shows.</param>
public sealed record IlgpuOptions(DType ComputeDType = DType.F32, bool Poison = false);

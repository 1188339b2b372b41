using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>One low-rank update of a linear map: s·(dropout(x)·Aᵀ)·Bᵀ (Hu et al. 2021, "LoRA", equation 3).</summary>
/// <param name="A">(r, in)</param>
/// <param name="B">(out, r)</param>
/// <param name="Scale">s = α/r, or α/√r.</param>
/// <param name="Bias">(out) added after B and scaled with it, or null.</param>
/// <param name="Dropout">Dropout on this branch's x.</param>
/// <param name="Diagonal">(r) that multiplies x·Aᵀ before B, or null.</param>
public readonly record struct LowRankUpdate(Tensor A, Tensor B, float Scale, Tensor? Bias = null, DropoutKey Dropout = default,
    Tensor? Diagonal = null);

/// <summary>A linear map with its low-rank updates.</summary>
/// <param name="Weight">(out, in), or (in, out) when <paramref name="Transposed"/>; F32, BF16 or F16.</param>
/// <param name="Bias">(out), or null.</param>
/// <param name="Transposed">The weight is stored as GPT-2's Conv1D stores it.</param>
/// <param name="Updates">The low-rank updates that are active.</param>
public sealed record AdaptedLinear(Tensor Weight, Tensor? Bias, bool Transposed, IReadOnlyList<LowRankUpdate> Updates);

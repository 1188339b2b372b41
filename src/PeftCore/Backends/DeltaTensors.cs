using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Operands of the gated delta rule.</summary>
/// <param name="Q">(batch, length, key heads·dk), normalised and scaled.</param>
/// <param name="K">(batch, length, key heads·dk), normalised.</param>
/// <param name="V">(batch, length, value heads·dv)</param>
/// <param name="G">(batch, length, value heads), logarithms of the decay.</param>
/// <param name="Beta">(batch, length, value heads), how much of the error is corrected.</param>
/// <param name="Positions">I32 (batch, length); the state is zero before position 0.</param>
internal readonly record struct DeltaTensors(Tensor Q, Tensor K, Tensor V, Tensor G, Tensor Beta, Tensor Positions);

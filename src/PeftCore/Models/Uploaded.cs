using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A tensor and the values it was made from, I32 or F32.</summary>
/// <param name="Tensor">On the device.</param>
/// <param name="Values">On the host: int[] or float[].</param>
internal sealed record Uploaded(Tensor Tensor, Array Values);

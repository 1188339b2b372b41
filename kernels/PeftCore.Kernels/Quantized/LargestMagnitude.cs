using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>max |xᵢ|: the scale of a block or row.</summary>
internal static class LargestMagnitude
{
    /// <summary>The largest magnitude of some numbers: NaN if one is NaN, 0 of none.</summary>
    public static float Of(ReadOnlySpan<float> x) => x.IsEmpty ? 0 : Math.Abs(TensorPrimitives.MaxMagnitude(x));
}

namespace PeftCore.Kernels;

/// <summary>Double quantisation (Dettmers et al. 2023, QLoRA, section 3): the scales of blocks, less their mean, as bytes of the dynamic
/// map in blocks with one F32 scale each, bit by bit as bitsandbytes 0.50 computes them.</summary>
internal static class ScaleCodes
{
    /// <summary>Quantises scales and returns their mean.</summary>
    public static float Quantize(ReadOnlySpan<float> scales, int blockSize, Span<byte> codes, Span<float> scaleScales)
    {
        float mean = CascadeSum.Of(scales) / scales.Length;
        float[] differences = new float[Math.Min(blockSize, scales.Length)];
        for (int first = 0, block = 0; first < scales.Length; first += blockSize, block++)
        {
            var part = scales.Slice(first, Math.Min(blockSize, scales.Length - first));
            var centered = differences.AsSpan(0, part.Length);
            for (int i = 0; i < part.Length; i++)
            {
                centered[i] = part[i] - mean;
            }
            var scale = BlockScale.Of(centered, blockSize);
            scaleScales[block] = scale.Stored;
            for (int i = 0; i < part.Length; i++)
            {
                codes[first + i] = DynamicMap.Signed.CodeOf(scale.Divide(centered[i]));
            }
        }
        return mean;
    }
}

namespace PeftCore.Kernels;

/// <summary>Double quantisation (Dettmers et al. 2023, QLoRA, section 3): the scales of blocks, less their mean, as bytes of the dynamic
/// map in blocks with one F32 scale each, bit by bit as bitsandbytes 0.50 computes them. Blocks are independent of each other, so that
/// threads may share them.</summary>
internal static class ScaleCodes
{
    /// <summary>The mean of the scales, which is summed in the order of the reference.</summary>
    public static float Mean(ReadOnlySpan<float> scales) => CascadeSum.Of(scales) / scales.Length;

    /// <summary>Quantises whole blocks; the last block of a matrix may be shorter.</summary>
    /// <param name="scales">The scales of the blocks.</param>
    /// <param name="mean">The mean of the matrix' scales.</param>
    /// <param name="blockSize">Scales of a block.</param>
    /// <param name="codes">Receives one byte a scale.</param>
    /// <param name="scaleScales">Receives one number a block.</param>
    public static void Quantize(ReadOnlySpan<float> scales, float mean, int blockSize, Span<byte> codes, Span<float> scaleScales)
    {
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
    }
}

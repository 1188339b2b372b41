namespace PeftCore.Kernels;

/// <summary>Double quantisation (Dettmers et al. 2023, QLoRA, section 3): the scales of blocks, less their mean, as bytes of the dynamic
/// map in blocks with one F32 scale each.</summary>
internal static class ScaleCodes
{
    /// <summary>Quantises scales and returns their mean.</summary>
    public static float Quantize(ReadOnlySpan<float> scales, int blockSize, Span<byte> codes, Span<float> scaleScales)
    {
        float mean = 0;
        foreach (float scale in scales)
        {
            mean += scale;
        }
        mean /= scales.Length;
        for (int first = 0, block = 0; first < scales.Length; first += blockSize, block++)
        {
            var part = scales.Slice(first, Math.Min(blockSize, scales.Length - first));
            float largest = 0;
            foreach (float scale in part)
            {
                largest = Math.Max(largest, Math.Abs(scale - mean));
            }
            scaleScales[block] = largest;
            for (int i = 0; i < part.Length; i++)
            {
                codes[first + i] = DynamicMap.Nearest(Math.Clamp((part[i] - mean) * (1 / largest), -1, 1));
            }
        }
        return mean;
    }

    /// <summary>scale = map[code]·scaleScale + mean.</summary>
    public static void Dequantize(ReadOnlySpan<byte> codes, ReadOnlySpan<float> scaleScales, int blockSize, float mean, Span<float> scales)
    {
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = DynamicMap.Signed[codes[i]] * scaleScales[i / blockSize] + mean;
        }
    }
}

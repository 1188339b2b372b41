namespace PeftCore.Kernels;

/// <summary>Conversions between numbers and codes of four bits, in blocks scaled by their largest magnitude, bit by bit as bitsandbytes 0.50
/// computes them. Held to files that it wrote.</summary>
internal static class FourBitCodes
{
    /// <summary>Quantises numbers: each becomes the code of the level nearest to x·(1/scale); of two equally near ones the lower level. A
    /// block of zeros has the scale 0 and the code of 0.</summary>
    /// <param name="x">Numbers, from the start of a block.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="blockSize">Numbers of a block, an even number; the last one may be shorter.</param>
    /// <param name="codes">(x.Length + 1)/2 bytes, the first of two codes in the upper half.</param>
    /// <param name="scales">One for each block; not finite if a number of the block is not.</param>
    public static void Quantize(ReadOnlySpan<float> x, QuantizedKind kind, int blockSize, Span<byte> codes, Span<float> scales)
    {
        for (int first = 0, block = 0; first < x.Length; first += blockSize, block++)
        {
            var numbers = x.Slice(first, Math.Min(blockSize, x.Length - first));
            var scale = BlockScale.Of(numbers, blockSize);
            scales[block] = scale.Stored;
            for (int i = 0; i < numbers.Length; i++)
            {
                int at = first + i, code = CodeOf(kind, scale.Divide(numbers[i]));
                codes[at / 2] = (byte)(at % 2 == 0 ? code << 4 : codes[at / 2] | code);
            }
        }
        if (x.Length % 2 == 1)
        {
            codes[x.Length / 2] |= (byte)CodeOf(kind, 0);
        }
    }

    /// <summary>y = level·scale of adjacent numbers of one block.</summary>
    /// <param name="codes">All codes.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="scale">The block's scale.</param>
    /// <param name="first">The first number wanted.</param>
    /// <param name="y">The numbers wanted.</param>
    public static unsafe void Dequantize(byte* codes, QuantizedKind kind, float scale, long first, Span<float> y)
    {
        var levels = FourBitLevels.Of(kind);
        for (int i = 0; i < y.Length; i++)
        {
            long at = first + i;
            int pair = codes[at / 2];
            y[i] = levels[at % 2 == 0 ? pair >> 4 : pair & 15] * scale;
        }
    }

    private static int CodeOf(QuantizedKind kind, float x)
    {
        int below = 0;
        foreach (float bound in FourBitLevels.Bounds(kind))
        {
            below += bound < x ? 1 : 0;
        }
        return FourBitLevels.CodeAt(kind, below);
    }
}

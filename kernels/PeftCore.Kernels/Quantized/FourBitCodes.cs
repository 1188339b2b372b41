namespace PeftCore.Kernels;

/// <summary>Conversions between numbers and codes of four bits, in blocks scaled by their largest magnitude, as bitsandbytes' reference
/// computes them.</summary>
internal static class FourBitCodes
{
    /// <summary>Quantises numbers: each becomes the code of the level nearest to x·(1/scale); of equally near ones the first.</summary>
    /// <param name="x">Numbers, from the start of a block.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="blockSize">Numbers of a block; the last one may be shorter.</param>
    /// <param name="codes">(x.Length + 1)/2 bytes, the first of two codes in the upper half.</param>
    /// <param name="scales">One for each block.</param>
    public static void Quantize(ReadOnlySpan<float> x, QuantizedKind kind, int blockSize, Span<byte> codes, Span<float> scales)
    {
        var levels = FourBitLevels.Of(kind);
        for (int first = 0, block = 0; first < x.Length; first += blockSize, block++)
        {
            var numbers = x.Slice(first, Math.Min(blockSize, x.Length - first));
            float scale = 0;
            foreach (float number in numbers)
            {
                scale = Math.Max(scale, Math.Abs(number));
            }
            scales[block] = scale;
            float inverse = 1 / scale;
            for (int i = 0; i < numbers.Length; i++)
            {
                int at = first + i, code = Nearest(levels, Math.Clamp(numbers[i] * inverse, -1, 1));
                codes[at / 2] = (byte)(at % 2 == 0 ? code << 4 : codes[at / 2] | code);
            }
        }
        if (x.Length % 2 == 1)
        {
            codes[x.Length / 2] |= (byte)Nearest(levels, 0);
        }
    }

    /// <summary>y = level·scale of numbers from <paramref name="first"/> on.</summary>
    /// <param name="codes">All codes.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="blockSize">Numbers of a block.</param>
    /// <param name="scales">One for each block.</param>
    /// <param name="first">The first number wanted.</param>
    /// <param name="y">The numbers wanted.</param>
    public static void Dequantize(ReadOnlySpan<byte> codes, QuantizedKind kind, int blockSize, ReadOnlySpan<float> scales, long first,
        Span<float> y)
    {
        var levels = FourBitLevels.Of(kind);
        for (int i = 0; i < y.Length; i++)
        {
            long at = first + i;
            int pair = codes[(int)(at / 2)];
            y[i] = levels[at % 2 == 0 ? pair >> 4 : pair & 15] * scales[(int)(at / blockSize)];
        }
    }

    // A block of zeros has NaN here, and torch's argmin takes NaN for the smallest: code 0.
    private static int Nearest(ReadOnlySpan<float> levels, float x)
    {
        int nearest = 0;
        for (int code = 1; code < levels.Length; code++)
        {
            if (Math.Abs(x - levels[code]) < Math.Abs(x - levels[nearest]))
            {
                nearest = code;
            }
        }
        return nearest;
    }
}

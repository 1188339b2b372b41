namespace PeftCore.Kernels;

/// <summary>Block-wise 8-bit quantisation on the host, one number at a time (Dettmers et al. 2022, arXiv 2110.02861): a code of a
/// <see cref="DynamicMap"/> times the greatest magnitude of its block of 256.</summary>
internal static class BlockwiseCodes
{
    private const int Block = BlockwiseAdamFactors.BlockSize;

    /// <summary>Number of blocks of so many elements.</summary>
    public static long Blocks(long count) => (count + Block - 1) / Block;

    /// <summary>The numbers of codes.</summary>
    public static float[] Decode(byte[] codes, float[] absmax, DynamicMap map)
    {
        float[] numbers = new float[codes.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = map.Values[codes[i]] * absmax[i / Block];
        }

        return numbers;
    }

    /// <summary>The nearest codes, and the scales. A code of the signed map has the sign of its number, see
    /// <see cref="BlockwiseAdamBody"/>.</summary>
    public static (byte[] Codes, float[] Absmax) Encode(float[] numbers, DynamicMap map)
    {
        byte[] codes = new byte[numbers.Length];
        float[] absmax = new float[Blocks(numbers.Length)];
        for (int i = 0; i < numbers.Length; i++)
        {
            absmax[i / Block] = Math.Max(absmax[i / Block], Math.Abs(numbers[i]));
        }

        for (int i = 0; i < numbers.Length; i++)
        {
            codes[i] = map.Encode(numbers[i] / absmax[i / Block]);
            if (map == DynamicMap.Signed && float.IsNegative(map.Values[codes[i]]) != float.IsNegative(numbers[i]))
            {
                codes[i] = (byte)(numbers[i] > 0 ? codes[i] + 1 : codes[i] - 1);
            }
        }

        return (codes, absmax);
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>INT8 rows scaled by their largest magnitude, and products with rows of x quantised the same way (Dettmers et al. 2022,
/// LLM.int8(), section 2.1), bit by bit as bitsandbytes 0.50 computes them. Held to files that it wrote.</summary>
internal static class RowCodes
{
    /// <summary>1/127², in the digits that bitsandbytes writes.</summary>
    public const float ProductFactor = 6.200124e-05f;

    /// <summary>1/127.</summary>
    public const float InverseLargest = 1 / 127f;

    private const float Largest = 127;

    // Added to a number it leaves the nearest integer, ties to even, in the lowest bits.
    private const float RoundingOffset = 12582912f; // 1.5·2²³

    /// <summary>Quantises one row, rounded to F16 first: code = round(x·(1/scale·127)), ties to even; the scale is the row's largest
    /// magnitude. The codes of a row of zeros are 0.</summary>
    /// <param name="x">The row.</param>
    /// <param name="codes">One for each number.</param>
    /// <returns>The scale: not finite if a number is not or is beyond F16.</returns>
    public static unsafe float Quantize(ReadOnlySpan<float> x, Span<sbyte> codes)
    {
        float scale = Rounded(LargestMagnitude.Of(x)); // Rounding keeps the order.
        if (scale == 0)
        {
            codes[..x.Length].Clear();
            return scale;
        }
        float factor = 1 / scale * Largest;
        const int Chunk = 256;
        var half = stackalloc Half[Chunk];
        fixed (float* from = x)
        fixed (sbyte* to = codes)
        {
            for (int first = 0; first < x.Length; first += Chunk)
            {
                int count = Math.Min(Chunk, x.Length - first);
                Float16Element.FromFloat(from + first, (byte*)half, count);
                Round(half, factor, count, to + first);
            }
        }
        return scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Round(Half* x, float factor, int count, sbyte* codes)
    {
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            Vector256<int> low = Rounded(x + i, factor), high = Rounded(x + i + 8, factor);
            var words = Vector256.Narrow(low, high);
            Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(codes + i);
        }
        for (; i < count; i++)
        {
            codes[i] = (sbyte)MathF.Round((float)x[i] * factor, MidpointRounding.ToEven);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<int> Rounded(Half* x, float factor) =>
        (Float16Element.Load8((byte*)x) * factor + Vector256.Create(RoundingOffset)).AsInt32()
            - Vector256.Create(BitConverter.SingleToInt32Bits(RoundingOffset));

    /// <summary>y = code·(scale/127) of one row.</summary>
    public static void Dequantize(ReadOnlySpan<sbyte> codes, float scale, Span<float> y)
    {
        float unit = scale * InverseLargest;
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = codes[i] * unit;
        }
    }

    // bitsandbytes quantises numbers of F16.
    private static float Rounded(float x) => (float)(Half)x;
}

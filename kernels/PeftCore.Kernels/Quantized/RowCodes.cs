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
        fixed (float* from = x)
        fixed (sbyte* to = codes)
        {
            Round(from, factor, x.Length, to);
        }
        return scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Round(float* x, float factor, int count, sbyte* codes)
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
            codes[i] = (sbyte)MathF.Round(Rounded(x[i]) * factor, MidpointRounding.ToEven);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<int> Rounded(float* x, float factor) =>
        (ToF16(Vector256.Load(x)) * factor + Vector256.Create(RoundingOffset)).AsInt32()
            - Vector256.Create(BitConverter.SingleToInt32Bits(RoundingOffset));

    // The nearest number of F16, ties to even: 11 bits of significand, and steps of 2⁻²⁴, those of F32 from 0.5 on, below 2⁻¹⁴. A number
    // beyond F16 makes the scale infinite, so its code does not matter.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> ToF16(Vector256<float> x)
    {
        Vector256<uint> bits = x.AsUInt32(), sign = bits & Vector256.Create(0x80000000u), magnitude = bits ^ sign;
        var normal = (magnitude + Vector256.Create(0xFFFu) + ((magnitude >> 13) & Vector256<uint>.One)) & Vector256.Create(0xFFFFE000u);
        var small = (magnitude.AsSingle() + Vector256.Create(0.5f) - Vector256.Create(0.5f)).AsUInt32();
        var isSmall = Vector256.LessThan(magnitude.AsInt32(), Vector256.Create(0x38800000)).AsUInt32();
        return (Vector256.ConditionalSelect(isSmall, small, normal) | sign).AsSingle();
    }

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

namespace PeftCore.Kernels;

/// <summary>INT8 rows scaled by their largest magnitude, and products with rows of x quantised the same way (Dettmers et al. 2022,
/// LLM.int8(), section 2.1), bit by bit as bitsandbytes 0.50 computes them. Held to files that it wrote.</summary>
internal static class RowCodes
{
    /// <summary>1/127², in the digits that bitsandbytes writes.</summary>
    public const float ProductFactor = 6.200124e-05f;

    private const float Largest = 127, InverseLargest = 1 / 127f;

    /// <summary>Quantises one row, rounded to F16 first: code = round(x·(1/scale·127)), ties to even; the scale is the row's largest magnitude.
    /// The codes of a row of zeros are 0.</summary>
    /// <returns>The scale: not finite if a number is not or is beyond F16.</returns>
    public static float Quantize(ReadOnlySpan<float> x, Span<sbyte> codes)
    {
        float scale = 0;
        foreach (float number in x)
        {
            scale = Math.Max(scale, Math.Abs(Rounded(number)));
        }
        float factor = 1 / scale * Largest;
        for (int i = 0; i < x.Length; i++)
        {
            codes[i] = scale == 0 ? (sbyte)0 : (sbyte)MathF.Round(Rounded(x[i]) * factor, MidpointRounding.ToEven);
        }
        return scale;
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

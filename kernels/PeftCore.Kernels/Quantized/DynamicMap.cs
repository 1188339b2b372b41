namespace PeftCore.Kernels;

/// <summary>The dynamic map of bytes to numbers in [−1, 1] (Dettmers 2016, "8-Bit Approximations for Parallelism in Deep Learning", section
/// 2): a sign, a decimal exponent given by leading zeros, and the remaining bits as a linear fraction.</summary>
internal static class DynamicMap
{
    private const int ExponentBits = 7;

    private static readonly float[] _signed = Make(), _bounds = BoundsOf(_signed);

    /// <summary>The signed map in ascending order, in F32 as bitsandbytes computes it.</summary>
    public static ReadOnlySpan<float> Signed => _signed;

    /// <summary>The address of the signed map, for kernels.</summary>
    public static unsafe float* Address { get; } = FixedTable.Of(_signed);

    /// <summary>The code of the level nearest to x; of two equally near ones the lower.</summary>
    public static byte CodeOf(float x)
    {
        int at = _bounds.AsSpan().BinarySearch(x);
        return (byte)(at < 0 ? ~at : at);
    }

    /// <summary>Means of neighbouring levels.</summary>
    private static float[] BoundsOf(float[] levels)
    {
        float[] bounds = new float[levels.Length - 1];
        for (int i = 0; i < bounds.Length; i++)
        {
            bounds[i] = (levels[i] + levels[i + 1]) / 2;
        }
        return bounds;
    }

    // Means of neighbours of 2^i + 1 equal steps from 0.1 to 1, times 10^(i − 6), both signs; then 0 and 1.
    private static float[] Make()
    {
        var numbers = new List<float> { 0, 1 };
        for (int i = 0; i < ExponentBits; i++)
        {
            int count = 1 << i;
            float step = (1f - 0.1f) / count, scale = (float)Math.Pow(10, i - (ExponentBits - 1));
            for (int j = 0; j < count; j++)
            {
                float mean = (At(j, count, step) + At(j + 1, count, step)) / 2f;
                numbers.AddRange([scale * mean, -(scale * mean)]);
            }
        }
        numbers.Sort();
        return [.. numbers];
    }

    // torch.linspace counts from the nearer end, with a fused multiply-add.
    private static float At(int j, int count, float step) => j < (count + 1) / 2
        ? MathF.FusedMultiplyAdd(step, j, 0.1f)
        : MathF.FusedMultiplyAdd(-step, count - j, 1f);
}

namespace PeftCore.Kernels;

/// <summary>The dynamic map of bytes to numbers in [−1, 1] (Dettmers 2016, "8-Bit Approximations for Parallelism in Deep Learning", section
/// 2): a sign, a decimal exponent given by leading zeros, and the remaining bits as a linear fraction.</summary>
internal static class DynamicMap
{
    private const int ExponentBits = 7, Levels = 256;

    /// <summary>The signed map in ascending order, in F32 as bitsandbytes computes it.</summary>
    public static ReadOnlySpan<float> Signed => _signed;

    private static readonly float[] _signed = Make();

    /// <summary>The index of the number nearest to x; of equally near ones the first.</summary>
    public static byte Nearest(float x)
    {
        int nearest = 0;
        for (int i = 1; i < Levels; i++)
        {
            if (Math.Abs(x - _signed[i]) < Math.Abs(x - _signed[nearest]))
            {
                nearest = i;
            }
        }
        return (byte)nearest;
    }

    // Means of neighbours of 2^i + 1 equal steps from 0.1 to 1, times 10^(i − 6), both signs; then 0 and 1. The steps are F32, as torch's.
    private static float[] Make()
    {
        var numbers = new List<float> { 0, 1 };
        for (int i = 0; i < ExponentBits; i++)
        {
            int count = 1 << i;
            float step = (1f - 0.1f) / count;
            float scale = (float)Math.Pow(10, i - (ExponentBits - 1));
            for (int j = 0; j < count; j++)
            {
                float low = At(j, count, step), high = At(j + 1, count, step), mean = (low + high) / 2f;
                numbers.AddRange([scale * mean, -(scale * mean)]);
            }
        }
        numbers.Sort();
        return [.. numbers];
    }

    // torch.linspace counts from the nearer end.
    private static float At(int j, int count, float step) => j < (count + 1) / 2 ? 0.1f + step * j : 1f - step * (count - j);
}

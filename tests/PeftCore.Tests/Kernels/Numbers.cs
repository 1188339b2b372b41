using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

/// <summary>Seeded data and comparisons for the kernel tests.</summary>
internal static class Numbers
{
    public static float[] Random(int seed, int count, float scale = 1f)
    {
        Random random = new(seed);
        float[] x = new float[count];
        for (int i = 0; i < count; i++)
        {
            x[i] = scale * (float)((2 * random.NextDouble()) - 1);
        }

        return x;
    }

    /// <summary>A buffer that makes any read of it visible.</summary>
    public static float[] Poison(int count)
    {
        float[] x = new float[count];
        Array.Fill(x, float.NaN);
        return x;
    }

    /// <summary>The stored form of x, and in <paramref name="rounded"/> the numbers it then holds.</summary>
    public static byte[] Store(float[] x, ElementType type, out float[] rounded)
    {
        int size = type == ElementType.F32 ? 4 : 2;
        byte[] bytes = new byte[x.Length * size];
        rounded = new float[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            var at = bytes.AsSpan(i * size, size);
            switch (type)
            {
                case ElementType.F32:
                    BitConverter.TryWriteBytes(at, x[i]);
                    rounded[i] = x[i];
                    break;
                case ElementType.BF16:
                    ushort upper = (ushort)(BitConverter.SingleToUInt32Bits(x[i]) >> 16);
                    BitConverter.TryWriteBytes(at, upper);
                    rounded[i] = BitConverter.UInt32BitsToSingle((uint)upper << 16);
                    break;
                default:
                    BitConverter.TryWriteBytes(at, (Half)x[i]);
                    rounded[i] = (float)(Half)x[i];
                    break;
            }
        }

        return bytes;
    }

    public static void AssertClose(ReadOnlySpan<float> found, ReadOnlySpan<double> expected, double relative, double absolute, string what)
    {
        Assert.That(found.Length, Is.GreaterThanOrEqualTo(expected.Length), what);
        int worst = -1;
        double excess = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(found[i] - expected[i]) - absolute - (relative * Math.Abs(expected[i]));
            bool same = found[i] == expected[i] || (double.IsNaN(expected[i]) && float.IsNaN(found[i]));
            if (!same && !(error <= excess))
            {
                worst = i;
                excess = error;
            }
        }

        if (worst >= 0)
        {
            Assert.Fail($"{what}: element {worst} is {found[worst]:R}, expected {expected[worst]:R}.");
        }
    }
}

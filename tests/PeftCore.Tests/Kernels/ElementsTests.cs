using System.Runtime.InteropServices;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class ElementsTests
{
    [Test]
    public void Every_half_precision_number_widens_to_itself_and_narrows_back()
    {
        using WorkerPool pool = new(2);
        ushort[] all = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        foreach (var type in new[] { ElementType.F16, ElementType.BF16 })
        {
            float[] wide = Numbers.Poison(65536);
            Elements.ToFloat(MemoryMarshal.AsBytes<ushort>(all), type, wide, pool);
            byte[] back = new byte[131072];
            Elements.FromFloat(wide, back, type, pool);
            ushort[] again = MemoryMarshal.Cast<byte, ushort>(back).ToArray();
            for (int i = 0; i < 65536; i++)
            {
                float expected = type == ElementType.F16 ? (float)BitConverter.UInt16BitsToHalf(all[i])
                    : BitConverter.UInt32BitsToSingle((uint)i << 16);
                Assert.That(wide[i], Is.EqualTo(expected));
                Assert.That(float.IsNaN(expected) || again[i] == all[i], Is.True, $"{type} {i:x4} came back as {again[i]:x4}");
                Assert.That(float.IsNaN(expected), Is.EqualTo(IsNaN(again[i], type)));
            }
        }
    }

    [Test]
    public void Narrowing_rounds_to_nearest_and_ties_to_even([Values(1, 5, 16, 17, 20003)] int n)
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, n, 1000f);
        x[0] = BitConverter.UInt32BitsToSingle(0x3f808000); // halfway between 0x3f80 and 0x3f81
        x[n - 1] = BitConverter.UInt32BitsToSingle(0x3f818000); // halfway between 0x3f81 and 0x3f82
        byte[] bf16 = new byte[2 * n], f16 = new byte[2 * n];
        Elements.FromFloat(x, bf16, ElementType.BF16, pool);
        Elements.FromFloat(x, f16, ElementType.F16, pool);
        for (int i = 0; i < n; i++)
        {
            Assert.That(MemoryMarshal.Cast<byte, Half>(f16)[i], Is.EqualTo((Half)x[i]));
            float found = BitConverter.UInt32BitsToSingle((uint)MemoryMarshal.Cast<byte, ushort>(bf16)[i] << 16);
            uint bits = BitConverter.SingleToUInt32Bits(x[i]);
            float down = BitConverter.UInt32BitsToSingle(bits & 0xffff0000),
                up = BitConverter.UInt32BitsToSingle((bits & 0xffff0000) + 0x10000);
            double below = Math.Abs((double)x[i] - down), above = Math.Abs((double)up - x[i]);
            bool even = (bits & 0x10000) == 0;
            Assert.That(found, Is.EqualTo(below < above || (below == above && even) ? down : up));
        }
    }

    [Test]
    public void Single_precision_passes_through_unchanged()
    {
        using WorkerPool pool = new(1);
        float[] x = Numbers.Random(1, 100), y = Numbers.Poison(100);
        Elements.ToFloat(MemoryMarshal.AsBytes<float>(x), ElementType.F32, y, pool);
        Assert.That(y, Is.EqualTo(x));
    }

    private static bool IsNaN(ushort bits, ElementType type) =>
        type == ElementType.F16 ? Half.IsNaN(BitConverter.UInt16BitsToHalf(bits))
        : float.IsNaN(BitConverter.UInt32BitsToSingle((uint)bits << 16));
}

using System.Runtime.InteropServices;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class DynamicMapTests
{
    private static readonly DynamicMap[] Maps = [DynamicMap.Signed, DynamicMap.Unsigned];

    [Test]
    public void The_signed_map_is_that_of_bitsandbytes_to_the_bit()
    {
        byte[] file = File.ReadAllBytes(TestFiles.Fixture("bitsandbytes", "nested_quant_map.bin"));
        Assert.That(MemoryMarshal.AsBytes<float>(DynamicMap.Signed.Values).ToArray(), Is.EqualTo(file));
    }

    [Test]
    public void The_unsigned_map_divides_each_decade_twice_as_finely()
    {
        float[] values = DynamicMap.Unsigned.Values;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.Ordered.Ascending.And.Unique);
            Assert.That(values[..4], Is.EqualTo([0, 3.25e-7f, 7.75e-7f, 2.125e-6f]).Within(1e-12));
            Assert.That((values[0], values[^1]), Is.EqualTo((0f, 1f)));
            for (int decade = 0; decade < 7; decade++)
            {
                double high = Math.Pow(10, decade - 6), low = high / 10;
                float[] within = [.. values.Where(value => value > low && value < high)];
                Assert.That(within, Has.Length.EqualTo(2 << decade));
                double step = (high - low) / within.Length;
                var middles = Enumerable.Range(0, within.Length).Select(i => low + ((i + 0.5) * step));
                Assert.That(within, Is.EqualTo(middles).Within(1e-6 * high));
            }
        }
    }

    [TestCaseSource(nameof(Maps))]
    public void A_number_gets_the_nearest_code_and_of_two_the_even_one(object mapped)
    {
        var map = (DynamicMap)mapped;
        var (thresholds, buckets) = map.Tables;
        using (Assert.EnterMultipleScope())
        {
            foreach (float x in Probes(map))
            {
                byte nearest = Nearest(map, x);
                if (map.Encode(x) != nearest || DynamicMap.EncodeFast(x, thresholds, buckets) != nearest)
                {
                    Assert.Fail($"{x:R}: {map.Encode(x)} and {DynamicMap.EncodeFast(x, thresholds, buckets)}, expected {nearest}");
                }
            }
            Assert.That(map.Encode(float.NaN), Is.Zero);
            Assert.That(DynamicMap.EncodeFast(float.NaN, thresholds, buckets), Is.Zero);
            Assert.That(Enumerable.Range(0, 256).Select(code => (int)map.Encode(map.Values[code])), Is.EqualTo(Enumerable.Range(0, 256)));
        }
    }

    private static IEnumerable<float> Probes(DynamicMap map)
    {
        float[] edges = [0, -0f, 1, -1, 2, -2, float.Epsilon, -float.Epsilon, float.PositiveInfinity, float.NegativeInfinity];
        float[] random = [.. Numbers.Random(1, 20_000), .. Numbers.Random(2, 20_000, 1e-3f), .. Numbers.Random(3, 20_000, 1e-6f)];
        // The first and the last number of each bucket that has numbers of the map's range.
        var buckets = Enumerable.Range(0, 1 << 16).SelectMany(i => new[] { (uint)i << 16, ((uint)i << 16) | 0xFFFF })
            .Select(BitConverter.UInt32BitsToSingle).Where(x => Math.Abs(x) is > 1e-9f and <= 1.01f);
        return [.. edges, .. random, .. buckets, .. map.Values.Concat(map.Midpoints)
            .SelectMany(x => new[] { MathF.BitDecrement(x), x, MathF.BitIncrement(x) })];
    }

    // One by one: beyond the midpoint to the next number, or on it if that has an even code.
    private static byte Nearest(DynamicMap map, float x)
    {
        int code = 0;
        while (code < 255)
        {
            float middle = (map.Values[code] + map.Values[code + 1]) / 2;
            if (x < middle || (x == middle && code % 2 == 0))
            {
                break;
            }
            code++;
        }
        return (byte)code;
    }
}

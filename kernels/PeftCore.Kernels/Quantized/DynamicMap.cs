namespace PeftCore.Kernels;

/// <summary>
/// The 8-bit dynamic data type (Dettmers 2015, arXiv 1511.04561; Dettmers et al. 2022, arXiv 2110.02861), in the values of bitsandbytes'
/// create_dynamic_map: 256 numbers in ascending order, in [−1, 1] or, unsigned, in [0, 1]. Seven decades, from 10⁻⁶ to 1, are divided
/// into 1, 2, 4 … 64 numbers each (twice as many without a sign), so that the greatest numbers have the most digits.
/// </summary>
internal sealed class DynamicMap
{
    /// <summary>Numbers of a map.</summary>
    public const int Count = 256;

    private const int Decades = 7;
    private const int BucketShift = 16;

    private readonly float[] _thresholds = new float[Count];
    private readonly Lazy<byte[]> _buckets;

    private DynamicMap(bool signed)
    {
        Values = ValuesOf(signed);
        for (int i = 0; i < Count - 1; i++)
        {
            Midpoints[i] = (Values[i] + Values[i + 1]) * 0.5f;
            // x ≥ midpoint, for odd i, is x > the number before the midpoint.
            _thresholds[i] = i % 2 == 0 ? Midpoints[i] : MathF.BitDecrement(Midpoints[i]);
        }
        (Midpoints[^1], _thresholds[^1]) = (float.PositiveInfinity, float.PositiveInfinity);
        _buckets = new Lazy<byte[]>(NewBuckets);
    }

    /// <summary>The map of numbers of either sign.</summary>
    public static DynamicMap Signed { get; } = new(signed: true);

    /// <summary>The map of numbers that are not negative.</summary>
    public static DynamicMap Unsigned { get; } = new(signed: false);

    /// <summary>The number of each code.</summary>
    public float[] Values { get; }

    /// <summary>The number halfway between a code's and the next; +∞ for the last.</summary>
    public float[] Midpoints { get; } = new float[Count];

    /// <summary>The thresholds and the buckets of <see cref="EncodeFast(float, float[], byte[])"/>.</summary>
    public (float[] Thresholds, byte[] Buckets) Tables => (_thresholds, _buckets.Value);

    /// <summary>The code of the nearest number, the even code of two that are equally near, and 0 for NaN: bitsandbytes' quantize_2D, whose
    /// binary search ends at an even code and leaves it only for a number beyond a midpoint.</summary>
    public byte Encode(float x)
    {
        int code = 0;
        for (int step = Count / 2; step > 1; step /= 2)
        {
            code += x >= Midpoints[code + step - 1] ? step : 0;
        }
        return (byte)(code + (x > Midpoints[code] ? 1 : 0));
    }

    /// <summary>The code of the nearest number, the lower one of two that are equally near: the rule for the scales of weights.</summary>
    public byte CodeOf(float x)
    {
        int at = Midpoints.AsSpan(0, Count - 1).BinarySearch(x);
        return (byte)(at < 0 ? ~at : at);
    }

    /// <summary><see cref="Encode"/> by a table: the upper 16 bits of x name a bucket of numbers, whose smallest has a known code; a
    /// bucket spans at most two thresholds, because neighbours of its width differ by less than 1/128 and those of the map by more than
    /// half of that.</summary>
    public static byte EncodeFast(float x, float[] thresholds, byte[] buckets)
    {
        int code = buckets[BitConverter.SingleToUInt32Bits(x) >> BucketShift];
        code += x > thresholds[code] ? 1 : 0;
        code += x > thresholds[code] ? 1 : 0;
        return (byte)code;
    }

    private byte[] NewBuckets()
    {
        byte[] buckets = new byte[1 << BucketShift];
        for (uint i = 0; i < buckets.Length; i++)
        {
            float zeroTail = BitConverter.UInt32BitsToSingle(i << BucketShift),
                oneTail = BitConverter.UInt32BitsToSingle((i << BucketShift) | 0xFFFF);
            // Of negative numbers the tail of ones is the smaller; behind infinity it is NaN.
            buckets[i] = Encode(oneTail < zeroTail ? oneTail : zeroTail);
        }
        return buckets;
    }

    private static float[] ValuesOf(bool signed)
    {
        List<float> values = [0, 1];
        for (int decade = 0; decade < Decades; decade++)
        {
            float scale = (float)Math.Pow(10, decade - Decades + 1);
            float[] bounds = Bounds((signed ? 1 : 2) << decade);
            for (int i = 0; i < bounds.Length - 1; i++)
            {
                float value = scale * ((bounds[i] + bounds[i + 1]) / 2);
                values.Add(value);
                if (signed)
                {
                    values.Add(-value);
                }
            }
        }
        values.Sort();
        return [.. values];
    }

    /// <summary>The bounds of <paramref name="count"/> equal parts of [0.1, 1], in the arithmetic of torch.linspace on an x86 processor:
    /// counted from the nearer end, with a fused multiply-add.</summary>
    private static float[] Bounds(int count)
    {
        const float Start = 0.1f, End = 1;
        float step = (End - Start) / count;
        float[] bounds = new float[count + 1];
        for (int i = 0; i <= count; i++)
        {
            bounds[i] = i < bounds.Length / 2 ? MathF.FusedMultiplyAdd(step, i, Start) : MathF.FusedMultiplyAdd(-step, count - i, End);
        }
        return bounds;
    }
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Dequantises rows of ggml's block formats, and what the formats have in common. Each product is rounded before the sum, as in
/// ggml's reference, so that the results are equal to the bit.</summary>
internal static class BlockQuantized
{
    /// <summary>Dequantises whole blocks.</summary>
    /// <param name="blocks">The blocks, one after the other.</param>
    /// <param name="values">Their weights.</param>
    public static void Dequantize<T>(ReadOnlySpan<byte> blocks, Span<float> values)
        where T : IBlockFormat
    {
        int count = values.Length / T.Elements;
        if (count * T.Elements != values.Length || count * T.Bytes != blocks.Length)
        {
            throw new ArgumentException($"{blocks.Length} bytes do not hold {values.Length} weights in blocks of {T.Elements}",
                nameof(values));
        }
        for (int i = 0; i < count; i++)
        {
            T.Dequantize(blocks.Slice(i * T.Bytes, T.Bytes), values.Slice(i * T.Elements, T.Elements));
        }
    }

    /// <summary>The F16 number at an offset.</summary>
    public static float Half(ReadOnlySpan<byte> block, int offset) => (float)MemoryMarshal.Read<Half>(block[offset..]);

    /// <summary>Sixteen bytes at an offset.</summary>
    public static Vector128<byte> Load(ReadOnlySpan<byte> block, int offset) => Vector128.Create(block.Slice(offset, 16));

    /// <summary>The lower halves of sixteen bytes.</summary>
    public static Vector128<byte> Low(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    /// <summary>The upper halves of sixteen bytes.</summary>
    public static Vector128<byte> High(Vector128<byte> bytes) => bytes >>> 4;

    /// <summary>y = scale·(q − offset) for sixteen integers q, of which q − offset fits in a signed byte.</summary>
    public static void Scale(Vector128<byte> q, byte offset, float scale, Span<float> y)
    {
        var (q0, q1, q2, q3) = ToFloat((q - Vector128.Create(offset)).AsSByte());
        var factor = Vector128.Create(scale);
        (q0 * factor).CopyTo(y);
        (q1 * factor).CopyTo(y[4..]);
        (q2 * factor).CopyTo(y[8..]);
        (q3 * factor).CopyTo(y[12..]);
    }

    /// <summary>y = scale·q + shift for sixteen integers q below 128.</summary>
    public static void Scale(Vector128<byte> q, float scale, float shift, Span<float> y)
    {
        var (q0, q1, q2, q3) = ToFloat(q.AsSByte());
        Vector128<float> factor = Vector128.Create(scale), term = Vector128.Create(shift);
        (q0 * factor + term).CopyTo(y);
        (q1 * factor + term).CopyTo(y[4..]);
        (q2 * factor + term).CopyTo(y[8..]);
        (q3 * factor + term).CopyTo(y[12..]);
    }

    /// <summary>The fifth bits of sixteen integers: bit i of <paramref name="bits"/>, times sixteen, in byte i.</summary>
    public static Vector128<byte> FifthBits(uint bits)
    {
        var select = Vector128.Create(0x8040201008040201UL).AsByte();
        var spread = Vector128.Shuffle(Vector128.CreateScalar(bits).AsByte(),
            Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        return Vector128.Equals(spread & select, select) & Vector128.Create((byte)16);
    }

    /// <summary>Scale and minimum of a group of 32 weights in a block of Q4_K or Q5_K, six bits each, in twelve bytes: those of the first
    /// four groups are the lower six bits of bytes 0 to 3 and 4 to 7; those of the last four have their lower four bits in bytes 8 to 11
    /// and their upper two in the upper bits of the others.</summary>
    public static (int Scale, int Min) ScaleAndMin(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 63, packed[group + 4] & 63)
        : ((packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4), (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4));

    private static (Vector128<float>, Vector128<float>, Vector128<float>, Vector128<float>) ToFloat(Vector128<sbyte> q)
    {
        var (low, high) = Vector128.Widen(q);
        var (q0, q1) = Vector128.Widen(low);
        var (q2, q3) = Vector128.Widen(high);
        return (Vector128.ConvertToSingle(q0), Vector128.ConvertToSingle(q1), Vector128.ConvertToSingle(q2), Vector128.ConvertToSingle(q3));
    }
}

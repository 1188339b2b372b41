using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>IQ4_NL: w = d·t(q), 32 weights of 4 bits that choose from a table t of 16 integers, laid out as Q4_0.</summary>
internal readonly struct Iq4NlBlocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 18;

    /// <summary>The table t.</summary>
    public static Vector128<byte> Table =>
        Vector128.Create((sbyte)-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113).AsByte();

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0);
        var q = BlockQuantized.Load(block, 2);
        BlockQuantized.Scale(Vector128.Shuffle(Table, BlockQuantized.Low(q)), 0, d, values);
        BlockQuantized.Scale(Vector128.Shuffle(Table, BlockQuantized.High(q)), 0, d, values[16..]);
    }
}

/// <summary>IQ4_XS: w = d·(s − 32)·t(q), 256 weights in 8 groups, with the table of <see cref="Iq4NlBlocks"/>. F16 d, the upper two bits of
/// the 6-bit scales s in 16 bits, their lower four in 4 bytes, then 16 bytes a group as in Q4_0.</summary>
internal readonly struct Iq4XsBlocks : IBlockFormat
{
    public static int Elements => 256;

    public static int Bytes => 136;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0);
        int upper = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int group = 0; group < 8; group++)
        {
            int s = ((block[4 + group / 2] >> (group % 2 * 4)) & 15) | (((upper >> (2 * group)) & 3) << 4);
            float scale = d * (s - 32);
            var q = BlockQuantized.Load(block, 8 + 16 * group);
            BlockQuantized.Scale(Vector128.Shuffle(Iq4NlBlocks.Table, BlockQuantized.Low(q)), 0, scale, values[(32 * group)..]);
            BlockQuantized.Scale(Vector128.Shuffle(Iq4NlBlocks.Table, BlockQuantized.High(q)), 0, scale, values[(32 * group + 16)..]);
        }
    }
}

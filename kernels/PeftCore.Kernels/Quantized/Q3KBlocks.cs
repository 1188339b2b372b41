using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Q3_K: w = d·(s − 32)·(q − 4), 256 weights of 3 bits in 16 groups. 32 bytes of third bits, 64 bytes with the lower two bits as
/// in Q2_K, 12 bytes of 6-bit scales s, F16 d. Bit k of the third bits' byte i belongs to weight 32k + i.</summary>
internal readonly struct Q3KBlocks : IBlockFormat
{
    private const int LowBits = 32, Scales = 96;

    public static int Elements => 256;

    public static int Bytes => 110;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 108);
        for (int group = 0; group < 16; group++)
        {
            int offset = LowBits + group / 8 * 32 + group % 2 * 16, shift = group % 8 / 2 * 2;
            var low = (BlockQuantized.Load(block, offset) >>> shift) & Vector128.Create((byte)3);
            var third = Vector128.Create((byte)(1 << (group / 2)));
            var set = Vector128.Equals(BlockQuantized.Load(block, group % 2 * 16) & third, third);
            BlockQuantized.Scale(low | (set & Vector128.Create((byte)4)), 4, d * (Scale(block[Scales..], group) - 32),
                values[(16 * group)..]);
        }
    }

    /// <summary>The scale of a group: its lower four bits are half of byte group mod 8, its upper two are in byte 8 + group
    /// mod 4.</summary>
    private static int Scale(ReadOnlySpan<byte> packed, int group) =>
        ((packed[group % 8] >> (group / 8 * 4)) & 15) | (((packed[8 + group % 4] >> (group / 4 * 2)) & 3) << 4);
}

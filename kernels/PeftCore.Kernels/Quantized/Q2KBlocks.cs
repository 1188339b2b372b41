using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Q2_K: w = d·s·q − dmin·m, 256 weights of 2 bits in 16 groups. 16 bytes with a scale s in the lower and a minimum m in the upper
/// half, 64 bytes of four integers, F16 d and dmin. Bits 2k and 2k + 1 of each 32 bytes are 32 weights in a row.</summary>
internal readonly struct Q2KBlocks : IBlockFormat
{
    public static int Elements => 256;

    public static int Bytes => 84;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 80), dmin = BlockQuantized.Half(block, 82);
        for (int group = 0; group < 16; group++)
        {
            // Groups 0 to 7 are in the first 32 bytes, two groups for each pair of bits.
            int offset = 16 + group / 8 * 32 + group % 2 * 16, shift = group % 8 / 2 * 2;
            var q = (BlockQuantized.Load(block, offset) >>> shift) & Vector128.Create((byte)3);
            float scale = d * (block[group] & 15), min = dmin * (block[group] >> 4);
            BlockQuantized.Scale(q, scale, -min, values[(16 * group)..]);
        }
    }
}

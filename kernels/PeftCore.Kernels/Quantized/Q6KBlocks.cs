using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Q6_K: w = d·s·(q − 32), 256 weights of 6 bits in 16 groups. 128 bytes with the lower four bits, 64 bytes with the upper two,
/// 16 scales s of 8 bits with a sign, F16 d. The 128 weights of each half are four rows of 32: the lower four bits of rows 0 and 1 are the
/// lower halves of 64 bytes, those of rows 2 and 3 the upper halves; row r has bits 2r and 2r + 1 of 32 bytes.</summary>
internal readonly struct Q6KBlocks : IBlockFormat
{
    private const int HighBits = 128, Scales = 192;

    public static int Elements => 256;

    public static int Bytes => 210;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 208);
        for (int group = 0; group < 16; group++)
        {
            int half = group / 8, row = group % 8 / 2, part = group % 2 * 16;
            var low = BlockQuantized.Load(block, half * 64 + row % 2 * 32 + part);
            low = row < 2 ? BlockQuantized.Low(low) : BlockQuantized.High(low);
            var high = (BlockQuantized.Load(block, HighBits + half * 32 + part) >>> (2 * row)) & Vector128.Create((byte)3);
            BlockQuantized.Scale(low | (high << 4), 32, d * (sbyte)block[Scales + group], values[(16 * group)..]);
        }
    }
}

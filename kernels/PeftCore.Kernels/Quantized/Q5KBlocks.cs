using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Q5_K: w = d·s·q − dmin·m, 256 weights of 5 bits in 8 groups. F16 d and dmin, scales and minima as in Q4_K, 32 bytes of fifth
/// bits (bit k of byte i belongs to weight 32k + i), then the lower four bits as in Q4_K.</summary>
internal readonly struct Q5KBlocks : IBlockFormat
{
    public static int Elements => 256;

    public static int Bytes => 176;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0), dmin = BlockQuantized.Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            var (s, m) = BlockQuantized.ScaleAndMin(block.Slice(4, 12), group);
            float scale = d * s, shift = -(dmin * m);
            for (int half = 0; half < 2; half++)
            {
                var q = BlockQuantized.Load(block, 48 + group / 2 * 32 + half * 16);
                q = group % 2 == 0 ? BlockQuantized.Low(q) : BlockQuantized.High(q);
                var fifth = (BlockQuantized.Load(block, 16 + half * 16) >>> group) & Vector128.Create((byte)1);
                BlockQuantized.Scale(q | (fifth << 4), scale, shift, values[(32 * group + 16 * half)..]);
            }
        }
    }
}

namespace PeftCore.Kernels;

/// <summary>Q4_K: w = d·s·q − dmin·m, 256 weights of 4 bits in 8 groups. F16 d and dmin, 12 bytes of 6-bit scales s and minima m
/// (<see cref="BlockQuantized.ScaleAndMin"/>), 128 bytes: the lower halves of each 32 bytes are one group, the upper halves the
/// next.</summary>
internal readonly struct Q4KBlocks : IBlockFormat
{
    public static int Elements => 256;

    public static int Bytes => 144;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0), dmin = BlockQuantized.Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            var (s, m) = BlockQuantized.ScaleAndMin(block.Slice(4, 12), group);
            float scale = d * s, shift = -(dmin * m);
            for (int half = 0; half < 2; half++)
            {
                var q = BlockQuantized.Load(block, 16 + group / 2 * 32 + half * 16);
                q = group % 2 == 0 ? BlockQuantized.Low(q) : BlockQuantized.High(q);
                BlockQuantized.Scale(q, scale, shift, values[(32 * group + 16 * half)..]);
            }
        }
    }
}

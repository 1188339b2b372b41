namespace PeftCore.Kernels;

/// <summary>Q4_1: w = d·q + m, 32 weights of 4 bits. F16 d and m, then 16 bytes as in Q4_0.</summary>
internal readonly struct Q41Blocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 20;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0), m = BlockQuantized.Half(block, 2);
        var q = BlockQuantized.Load(block, 4);
        BlockQuantized.Scale(BlockQuantized.Low(q), d, m, values);
        BlockQuantized.Scale(BlockQuantized.High(q), d, m, values[16..]);
    }
}

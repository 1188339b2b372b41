namespace PeftCore.Kernels;

/// <summary>Q4_0: w = d·(q − 8), 32 weights of 4 bits. F16 d, then 16 bytes whose lower halves are the first 16 integers and whose upper
/// halves are the last 16.</summary>
internal readonly struct Q40Blocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 18;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0);
        var q = BlockQuantized.Load(block, 2);
        BlockQuantized.Scale(BlockQuantized.Low(q), 8, d, values);
        BlockQuantized.Scale(BlockQuantized.High(q), 8, d, values[16..]);
    }
}

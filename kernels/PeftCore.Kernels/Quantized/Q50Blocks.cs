using System.Buffers.Binary;

namespace PeftCore.Kernels;

/// <summary>Q5_0: w = d·(q − 16), 32 weights of 5 bits. F16 d, 32 fifth bits in order, then the lower four bits as in Q4_0.</summary>
internal readonly struct Q50Blocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 22;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0);
        uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(block[2..]);
        var q = BlockQuantized.Load(block, 6);
        BlockQuantized.Scale(BlockQuantized.Low(q) | BlockQuantized.FifthBits(fifth), 16, d, values);
        BlockQuantized.Scale(BlockQuantized.High(q) | BlockQuantized.FifthBits(fifth >> 16), 16, d, values[16..]);
    }
}

using System.Buffers.Binary;

namespace PeftCore.Kernels;

/// <summary>Q5_1: w = d·q + m, 32 weights of 5 bits. F16 d and m, 32 fifth bits in order, then the lower four bits as in Q4_0.</summary>
internal readonly struct Q51Blocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 24;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0), m = BlockQuantized.Half(block, 2);
        uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(block[4..]);
        var q = BlockQuantized.Load(block, 8);
        BlockQuantized.Scale(BlockQuantized.Low(q) | BlockQuantized.FifthBits(fifth), d, m, values);
        BlockQuantized.Scale(BlockQuantized.High(q) | BlockQuantized.FifthBits(fifth >> 16), d, m, values[16..]);
    }
}

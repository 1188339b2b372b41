using System.Buffers.Binary;

namespace PeftCore.Kernels;

/// <summary>Q8_0: w = d·q, 32 weights of 8 bits with a sign. F16 d, then the integers.</summary>
internal readonly struct Q80Blocks : IBlockFormat
{
    public static int Elements => 32;

    public static int Bytes => 34;

    public static void Dequantize(ReadOnlySpan<byte> block, Span<float> values)
    {
        float d = BlockQuantized.Half(block, 0);
        BlockQuantized.Scale(BlockQuantized.Load(block, 2), 0, d, values);
        BlockQuantized.Scale(BlockQuantized.Load(block, 18), 0, d, values[16..]);
    }

    /// <summary>Quantises whole blocks as ggml's reference does: d = max|w|/127, q = w·(1/d) rounded to the nearest integer, ties away from
    /// zero, where 1/d is that of d before it is rounded to F16.</summary>
    /// <param name="values">The weights.</param>
    /// <param name="blocks">The blocks, <see cref="Bytes"/> for each 32 weights.</param>
    public static void Quantize(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (int i = 0; i < values.Length / Elements; i++)
        {
            var block = values.Slice(i * Elements, Elements);
            var target = blocks.Slice(i * Bytes, Bytes);
            float largest = 0;
            foreach (float value in block)
            {
                largest = MathF.Max(largest, MathF.Abs(value));
            }
            float d = largest / 127, inverse = d == 0 ? 0 : 1 / d;
            BinaryPrimitives.WriteHalfLittleEndian(target, (Half)d);
            for (int j = 0; j < Elements; j++)
            {
                target[2 + j] = (byte)(sbyte)MathF.Round(block[j] * inverse, MidpointRounding.AwayFromZero);
            }
        }
    }
}

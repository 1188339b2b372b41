using PeftCore.Io.Gguf;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels.Quantized;

/// <summary>The dequantisers of ggml's block formats against <see cref="BlockReference"/>.</summary>
public sealed class BlockFormatTests
{
    [Test]
    public void Random_blocks_have_the_weights_of_the_reference_to_the_bit([Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K",
        "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")] string format, [Values(1, 7, 50)] int blocks)
    {
        var type = GgufType.Named(format);
        var random = new Random(blocks);
        byte[] bytes = new byte[blocks * type.Bytes];
        random.NextBytes(bytes);
        float[] values = new float[blocks * type.Elements], expected = new float[values.Length];
        Array.Fill(values, float.NaN);
        type.Dequantize!(bytes, values);
        for (int i = 0; i < values.Length; i++)
        {
            expected[i] = BlockReference.Weight(format, bytes.AsSpan(i / type.Elements * type.Bytes, type.Bytes), i % type.Elements);
        }
        // A random scale may be infinite or no number; numbers that are none have several patterns of bits.
        Assert.That(values.Select(Bits), Is.EqualTo(expected.Select(Bits)));
    }

    [Test]
    public void Blocks_that_do_not_fit_the_weights_are_refused()
    {
        Assert.That(() => BlockQuantized.Dequantize<Q4KBlocks>(new byte[144], new float[255]), Throws.ArgumentException);
        Assert.That(() => BlockQuantized.Dequantize<Q4KBlocks>(new byte[143], new float[256]), Throws.ArgumentException);
    }

    [Test]
    public void Q8_0_is_within_half_a_step_of_what_was_quantised_and_keeps_zeros()
    {
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, 32 * 9).Select(i => i < 32 ? 0 : (float)(random.NextDouble() - 0.5) * (i / 32))];
        byte[] blocks = new byte[9 * Q80Blocks.Bytes];
        Q80Blocks.Quantize(values, blocks);
        float[] back = new float[values.Length];
        BlockQuantized.Dequantize<Q80Blocks>(blocks, back);
        for (int block = 0; block < 9; block++)
        {
            float step = values.AsSpan(32 * block, 32).ToArray().Max(Math.Abs) / 127;
            for (int i = 32 * block; i < 32 * (block + 1); i++)
            {
                Assert.That(back[i], Is.EqualTo(values[i]).Within(step * 0.6f));
            }
        }
    }

    private static uint Bits(float value) => float.IsNaN(value) ? uint.MaxValue : BitConverter.SingleToUInt32Bits(value);
}

using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Conversions between numbers and codes of four bits, in blocks scaled by their largest magnitude, bit by bit as bitsandbytes
/// 0.50 computes them. Held to files that it wrote.</summary>
internal static class FourBitCodes
{
    private const int Chunk = 64;

    /// <summary>Quantises numbers: each becomes the code of the level nearest to x·(1/scale); of two equally near ones the lower level. A
    /// block of zeros has the scale 0 and the code of 0.</summary>
    /// <param name="x">Numbers, from the start of a block.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="blockSize">Numbers of a block, an even number; the last one may be shorter.</param>
    /// <param name="codes">(x.Length + 1)/2 bytes, the first of two codes in the upper half.</param>
    /// <param name="scales">One for each block; not finite if a number of the block is not.</param>
    public static void Quantize(ReadOnlySpan<float> x, QuantizedKind kind, int blockSize, Span<byte> codes, Span<float> scales)
    {
        for (int first = 0, block = 0; first < x.Length; first += blockSize, block++)
        {
            var numbers = x.Slice(first, Math.Min(blockSize, x.Length - first));
            var scale = BlockScale.Of(numbers, blockSize);
            scales[block] = scale.Stored;
            PutCodes(numbers, kind, scale, codes.Slice(first / 2, (numbers.Length + 1) / 2));
        }
    }

    // An odd number of codes is followed by the code of 0.
    private static void PutCodes(ReadOnlySpan<float> numbers, QuantizedKind kind, in BlockScale scale, Span<byte> codes)
    {
        Span<int> below = stackalloc int[Chunk];
        for (int first = 0; first < numbers.Length; first += Chunk)
        {
            int count = Math.Min(Chunk, numbers.Length - first);
            CountBounds(numbers.Slice(first, count), kind, scale, below);
            for (int i = 0; i < count; i += 2)
            {
                int upper = FourBitLevels.CodeAt(kind, below[i]);
                int lower = i + 1 < count ? FourBitLevels.CodeAt(kind, below[i + 1]) : CodeOf(kind, 0);
                codes[(first + i) / 2] = (byte)(upper << 4 | lower);
            }
        }
    }

    // The number of bounds below each number in units of the scale.
    private static void CountBounds(ReadOnlySpan<float> x, QuantizedKind kind, in BlockScale scale, Span<int> below)
    {
        var bounds = FourBitLevels.Bounds(kind);
        int width = Vector<float>.Count, i = 0;
        for (; scale.IsWhole && i <= x.Length - width; i += width)
        {
            var number = new Vector<float>(x[i..]) * scale.Reciprocal;
            var count = Vector<int>.Zero;
            foreach (float bound in bounds)
            {
                count -= Vector.LessThan(new Vector<float>(bound), number);
            }
            count.CopyTo(below[i..]);
        }
        for (; i < x.Length; i++)
        {
            below[i] = Below(bounds, scale.Divide(x[i]));
        }
    }

    /// <summary>y = level·scale of adjacent numbers of one block.</summary>
    /// <param name="codes">All codes.</param>
    /// <param name="kind">The codes.</param>
    /// <param name="scale">The block's scale.</param>
    /// <param name="first">The first number wanted.</param>
    /// <param name="y">The numbers wanted.</param>
    public static unsafe void Dequantize(byte* codes, QuantizedKind kind, float scale, long first, Span<float> y)
    {
        var levels = FourBitLevels.Of(kind);
        for (int i = 0; i < y.Length; i++)
        {
            long at = first + i;
            int pair = codes[at / 2];
            y[i] = levels[at % 2 == 0 ? pair >> 4 : pair & 15] * scale;
        }
    }

    private static int CodeOf(QuantizedKind kind, float x) => FourBitLevels.CodeAt(kind, Below(FourBitLevels.Bounds(kind), x));

    private static int Below(ReadOnlySpan<float> bounds, float x)
    {
        int below = 0;
        foreach (float bound in bounds)
        {
            below += bound < x ? 1 : 0;
        }
        return below;
    }
}

using PeftCore.Kernels;

namespace PeftCore.Data;

/// <summary>Permutations that are a pure function of a seed and a stream, on every platform: Fisher–Yates on the counter-based generator
/// Philox.</summary>
internal static class SeededOrder
{
    // A separate Philox stream: dropout and initial weights use others with the same seed.
    private const ulong Streams = 0x6F72_6465_7200_0000;

    /// <summary>A permutation of 0 … count − 1.</summary>
    /// <param name="count">Number of elements.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="stream">Number of the permutation of this seed, such as the epoch.</param>
    public static int[] Permutation(int count, ulong seed, uint stream)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int[] order = new int[count];
        for (int i = 0; i < count; i++)
        {
            order[i] = i;
        }

        for (int i = count - 1; i > 0; i--)
        {
            var words = Philox.Next(seed, Streams + stream, (ulong)i);
            // The upper half of a 64-bit fraction times the range: uniform to within 2⁻³², without a rejection loop.
            ulong fraction = ((ulong)words.X << 32) | words.Y;
            int other = (int)Math.BigMul(fraction, (ulong)(i + 1), out _);
            (order[i], order[other]) = (order[other], order[i]);
        }
        return order;
    }
}

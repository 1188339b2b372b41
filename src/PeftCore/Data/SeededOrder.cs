using PeftCore.Kernels;

namespace PeftCore.Data;

/// <summary>Orders that are a pure function of a seed and a stream, the same on every platform: Fisher–Yates on the counter-based
/// generator Philox.</summary>
internal static class SeededOrder
{
    // Keeps these draws apart from those that dropout and initial weights make under the same seed.
    private const ulong Streams = 0x6F72_6465_7200_0000;

    /// <summary>A permutation of 0 … count − 1.</summary>
    /// <param name="count">How many numbers there are.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="stream">Which permutation of this seed, such as the epoch.</param>
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
            // The upper half of a 64-bit fraction times the range: even to within 2⁻³², with no loop of unknown length.
            ulong fraction = ((ulong)words.X << 32) | words.Y;
            int other = (int)Math.BigMul(fraction, (ulong)(i + 1), out _);
            (order[i], order[other]) = (order[other], order[i]);
        }
        return order;
    }
}

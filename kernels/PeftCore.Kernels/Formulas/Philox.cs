using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Four random words.</summary>
internal readonly record struct RandomWords(uint X, uint Y, uint Z, uint W);

/// <summary>
/// Philox4x32-10, a counter-based random generator (Salmon et al. 2011): a pure function of seed, stream and counter, so that numbers are
/// recomputed instead of stored.
/// </summary>
internal static partial class Philox
{
    private const uint MultiplierX = 0xD2511F53, MultiplierZ = 0xCD9E8D57;
    private const uint WeylX = 0x9E3779B9, WeylY = 0xBB67AE85;

    /// <summary>The four words of one counter. The key is the seed; the upper half of the counter is the stream.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static RandomWords Next(ulong seed, ulong stream, ulong counter)
    {
        uint x = (uint)counter, y = (uint)(counter >> 32), z = (uint)stream, w = (uint)(stream >> 32);
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong px = (ulong)MultiplierX * x, pz = (ulong)MultiplierZ * z;
            x = (uint)(pz >> 32) ^ y ^ k0;
            y = (uint)pz;
            z = (uint)(px >> 32) ^ w ^ k1;
            w = (uint)px;
            k0 += WeylX;
            k1 += WeylY;
        }

        return new RandomWords(x, y, z, w);
    }

    /// <summary>The top 24 bits as a number in [0, 1).</summary>
    public static float Uniform(uint word) => (word >> 8) * (1f / 16777216f);

    /// <summary>The uniform number of element <paramref name="index"/>: word index mod 4 of counter index / 4.</summary>
    public static float Uniform(ulong seed, ulong stream, ulong index)
    {
        var words = Next(seed, stream, index >> 2);
        uint lane = (uint)index & 3u;
        uint low = lane == 0u ? words.X : words.Y;
        uint high = lane == 2u ? words.Z : words.W;
        return Uniform(lane < 2u ? low : high);
    }
}

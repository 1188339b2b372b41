namespace PeftCore.Peft.Numerics;

/// <summary>PyTorch's random numbers on the CPU, bit for bit: MT19937 (Matsumoto and Nishimura 1998) and torch's distributions on top.
/// Files of some methods hold a seed instead of the values drawn with it.</summary>
internal sealed class TorchRandom
{
    /// <summary>The seed of a torch.Generator() that is given none.</summary>
    public const ulong DefaultSeed = 67280421310721;

    /// <summary>From this many elements on, torch.randperm uses another algorithm.</summary>
    private const long ShuffleLimit = uint.MaxValue / 20;

    private const int Size = 624;
    private const int Middle = 397;

    private readonly uint[] _state = new uint[Size];
    private int _at = Size;

    public TorchRandom(ulong seed)
    {
        _state[0] = (uint)seed;
        for (uint i = 1; i < Size; i++)
        {
            _state[i] = 1812433253u * (_state[i - 1] ^ (_state[i - 1] >> 30)) + i;
        }
    }

    /// <summary>The next 32 random bits.</summary>
    public uint Next()
    {
        if (_at == Size)
        {
            Twist();
        }
        uint y = _state[_at++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        return y ^ (y >> 18);
    }

    /// <summary>Tensor.uniform_ of F32, which uses 24 random bits a number.</summary>
    public float[] Uniform(int count, float from, float to)
    {
        const int Digits = 24;
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (Next() & ((1u << Digits) - 1)) * (1f / (1 << Digits)) * (to - from) + from;
        }
        return values;
    }

    /// <summary>Tensor.uniform_ of BF16, which uses 8 random bits a number.</summary>
    public float[] UniformBFloat16(int count, float from, float to)
    {
        const int Digits = 8;
        float low = RoundToBFloat16(from), width = RoundToBFloat16(RoundToBFloat16(to) - low);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = RoundToBFloat16((Next() & ((1u << Digits) - 1)) * (1f / (1 << Digits)) * width + low);
        }
        return values;
    }

    /// <summary>The first numbers of torch.randperm(n).</summary>
    /// <exception cref="BadInputException">n is so large that torch uses another algorithm.</exception>
    public long[] Permutation(long n, int count)
    {
        if (n >= ShuffleLimit)
        {
            throw new BadInputException(
                $"a layer of {n} weights is too large for a random choice that Hugging Face PEFT would repeat; the limit is " +
                $"{ShuffleLimit}");
        }
        var moved = new Dictionary<long, long>();
        long[] chosen = new long[count];
        for (int i = 0; i < count; i++)
        {
            long other = i + (i < n - 1 ? Next() % (n - i) : 0);
            chosen[i] = moved.GetValueOrDefault(other, other);
            moved[other] = moved.GetValueOrDefault(i, i);
        }
        return chosen;
    }

    /// <summary>Rounds to the nearest BF16, ties to even.</summary>
    public static float RoundToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFFu + ((bits >> 16) & 1)) & 0xFFFF0000u);
    }

    private void Twist()
    {
        for (int i = 0; i < Size; i++)
        {
            uint y = (_state[i] & 0x80000000u) | (_state[(i + 1) % Size] & 0x7fffffffu);
            _state[i] = _state[(i + Middle) % Size] ^ (y >> 1) ^ ((y & 1) * 0x9908b0dfu);
        }
        _at = 0;
    }
}

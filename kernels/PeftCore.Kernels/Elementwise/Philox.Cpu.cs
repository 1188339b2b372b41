using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

internal static unsafe partial class Philox
{
    /// <summary>
    /// y[i] (+)= x[i]/(1 − p) where the uniform number of element i is at least p, else 0. The mask is never stored: the same seed and
    /// stream recompute it. y may be x when not accumulating. x[0] is element <paramref name="first"/> of the stream, a multiple of four.
    /// Tested against the scalar Philox by PhiloxTests.
    /// </summary>
    public static void Dropout(
        ReadOnlySpan<float> x, Span<float> y, float probability, ulong seed, ulong stream, bool accumulate, WorkerPool pool,
        ulong first = 0)
    {
        Sizes.AtLeast<float>(y, x.Length);
        fixed (float* px = x, py = y)
        {
            Ranges.For(x.Length, new DropoutBody(px, py, probability, seed, stream, first >> 2, accumulate), pool);
        }
    }

    /// <summary>Fills as <see cref="FillUniform(Span{float}, float, float, ulong, ulong, ulong)"/> does, on all threads.</summary>
    public static void FillUniform(Span<float> y, float low, float high, ulong seed, ulong stream, ulong first, WorkerPool pool)
    {
        fixed (float* py = y)
        {
            Ranges.For(y.Length, new UniformBody(py, low, high, seed, stream, first), pool);
        }
    }

    /// <summary>Fills as <see cref="FillNormal(Span{float}, float, float, ulong, ulong, ulong)"/> does, on all threads.</summary>
    public static void FillNormal(Span<float> y, float mean, float std, ulong seed, ulong stream, ulong first, WorkerPool pool)
    {
        fixed (float* py = y)
        {
            Ranges.For(y.Length, new NormalBody(py, mean, std, seed, stream, first), pool);
        }
    }

    /// <summary>The factors of dropout: factors[i] is 1/(1 − p) where element first + i is kept, else 0; <paramref name="first"/> is a
    /// multiple of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void KeepFactors(float* factors, ulong first, int count, float probability, ulong seed, ulong stream)
    {
        float scale = 1f / (1f - probability);
        int i = 0;
        for (; Avx2.IsSupported && i <= count - 16; i += 16)
        {
            Next4(seed, stream, (first + (ulong)i) >> 2, out var low, out var high);
            (Vector256.Create(scale) & Kept(low, probability)).Store(factors + i);
            (Vector256.Create(scale) & Kept(high, probability)).Store(factors + i + 8);
        }

        for (; i < count; i += 4)
        {
            var words = Next(seed, stream, (first + (ulong)i) >> 2);
            ReadOnlySpan<uint> four = [words.X, words.Y, words.Z, words.W];
            for (int j = 0; j < Math.Min(4, count - i); j++)
            {
                factors[i + j] = Uniform(four[j]) >= probability ? scale : 0f;
            }
        }
    }

    private static Vector256<float> Kept(Vector256<uint> words, float probability)
    {
        var uniform = Vector256.ConvertToSingle((words >> 8).AsInt32()) * (1f / 16777216f);
        return Vector256.GreaterThanOrEqual(uniform, Vector256.Create(probability));
    }

    /// <summary>Uniform numbers in [low, high), from element <paramref name="first"/> of the sequence on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FillUniform(Span<float> y, float low, float high, ulong seed, ulong stream, ulong first = 0)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = low + ((high - low) * Uniform(seed, stream, first + (ulong)i));
        }
    }

    /// <summary>Normal numbers by the method of Box and Muller (1958), which makes elements 2i and 2i + 1 from two uniform numbers; from
    /// element <paramref name="first"/> of the sequence on, a multiple of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FillNormal(Span<float> y, float mean, float std, ulong seed, ulong stream, ulong first = 0)
    {
        for (int i = 0; i < y.Length; i += 4)
        {
            var words = Next(seed, stream, (first + (ulong)i) >> 2);
            Pair(words.X, words.Y, out float a, out float b);
            Pair(words.Z, words.W, out float c, out float d);
            ReadOnlySpan<float> four = [a, b, c, d];
            for (int j = 0; j < Math.Min(4, y.Length - i); j++)
            {
                y[i + j] = mean + (std * four[j]);
            }
        }
    }

    private static void Pair(uint first, uint second, out float a, out float b)
    {
        // In (0, 1], so that the logarithm is finite.
        float u = 1f - Uniform(first);
        float radius = MathF.Sqrt(-2f * MathF.Log(u));
        (float sin, float cos) = MathF.SinCos(2f * MathF.PI * Uniform(second));
        a = radius * cos;
        b = radius * sin;
    }

    private readonly struct UniformBody(float* y, float low, float high, ulong seed, ulong stream, ulong first) : IRangeBody
    {
        private readonly float* _y = y;

        public void Run(int start, int count) => FillUniform(new Span<float>(_y + start, count), low, high, seed, stream,
            first + (ulong)start);
    }

    private readonly struct NormalBody(float* y, float mean, float std, ulong seed, ulong stream, ulong first) : IRangeBody
    {
        private readonly float* _y = y;

        // Blocks start at a multiple of four.
        public void Run(int start, int count) => FillNormal(new Span<float>(_y + start, count), mean, std, seed, stream,
            first + (ulong)start);
    }

    private readonly struct DropoutBody(
        float* x, float* y, float probability, ulong seed, ulong stream, ulong firstCounter, bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            // A counter yields four elements, and blocks start at a multiple of 4.
            float scale = 1f / (1f - probability);
            int i = start, end = start + count;
            if (Avx2.IsSupported)
            {
                for (; i <= end - 16; i += 16)
                {
                    Next4(seed, stream, firstCounter + ((ulong)i >> 2), out var first, out var second);
                    MaskVector(i, first, scale);
                    MaskVector(i + 8, second, scale);
                }
            }

            for (; i < end; i += 4)
            {
                var words = Next(seed, stream, firstCounter + ((ulong)i >> 2));
                ReadOnlySpan<uint> four = [words.X, words.Y, words.Z, words.W];
                for (int j = 0; j < Math.Min(4, end - i); j++)
                {
                    float kept = Uniform(four[j]) >= probability ? _x[i + j] * scale : 0f;
                    _y[i + j] = accumulate ? _y[i + j] + kept : kept;
                }
            }
        }

        private void MaskVector(int i, Vector256<uint> words, float scale)
        {
            var kept = (Vector256.Load(_x + i) * scale) & Kept(words, probability);
            (accumulate ? Vector256.Load(_y + i) + kept : kept).Store(_y + i);
        }
    }

    /// <summary>The words of four successive counters; <see cref="Next"/> is the readable twin. Needs AVX2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Next4(ulong seed, ulong stream, ulong counter, out Vector256<uint> first, out Vector256<uint> second)
    {
        // Each 64-bit lane holds a word in its lower half; the multiplication ignores the upper half.
        Vector256<ulong> counters = Vector256.Create(counter) + Vector256.Create(0ul, 1, 2, 3), low = Vector256.Create(0xFFFFFFFFul);
        Vector256<ulong> x = counters, y = counters >> 32, z = Vector256.Create(stream), w = Vector256.Create(stream >> 32);
        Vector256<uint> multiplierX = Vector256.Create(MultiplierX), multiplierZ = Vector256.Create(MultiplierZ);
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < 10; round++)
        {
            Vector256<ulong> px = Avx2.Multiply(x.AsUInt32(), multiplierX), pz = Avx2.Multiply(z.AsUInt32(), multiplierZ);
            x = (pz >> 32) ^ y ^ Vector256.Create((ulong)k0);
            y = pz;
            z = (px >> 32) ^ w ^ Vector256.Create((ulong)k1);
            w = px;
            k0 += WeylX;
            k1 += WeylY;
        }

        Vector256<ulong> xy = (x & low) | (y << 32), zw = (z & low) | (w << 32);
        Vector256<ulong> even = Avx2.UnpackLow(xy, zw), odd = Avx2.UnpackHigh(xy, zw);
        first = Avx2.Permute2x128(even, odd, 0x20).AsUInt32();
        second = Avx2.Permute2x128(even, odd, 0x31).AsUInt32();
    }
}

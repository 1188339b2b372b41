namespace PeftCore.Kernels;

public static unsafe partial class Philox
{
    /// <summary>
    /// y[i] (+)= x[i]/(1 − p) where the uniform number of element i is at least p, else 0. The mask is never stored: the same seed
    /// and stream give it again. y may be x when not accumulating.
    /// </summary>
    public static void Dropout(
        ReadOnlySpan<float> x, Span<float> y, float probability, ulong seed, ulong stream, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast<float>(y, x.Length);
        fixed (float* px = x, py = y)
        {
            Ranges.For(x.Length, new DropoutBody(px, py, probability, seed, stream, accumulate), pool);
        }
    }

    /// <summary>Uniform numbers in [low, high).</summary>
    public static void FillUniform(Span<float> y, float low, float high, ulong seed, ulong stream)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = low + ((high - low) * Uniform(seed, stream, (ulong)i));
        }
    }

    /// <summary>Normal numbers, by the method of Box and Muller (1958): elements 2i and 2i + 1 share two uniform numbers.</summary>
    public static void FillNormal(Span<float> y, float mean, float std, ulong seed, ulong stream)
    {
        for (int i = 0; i < y.Length; i += 4)
        {
            RandomWords words = Next(seed, stream, (ulong)i >> 2);
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

    private readonly struct DropoutBody(float* x, float* y, float probability, ulong seed, ulong stream, bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        public void Run(int start, int count)
        {
            // Blocks start at a multiple of 4.
            float scale = 1f / (1f - probability);
            for (int i = start; i < start + count; i += 4)
            {
                RandomWords words = Next(seed, stream, (ulong)i >> 2);
                int rest = start + count - i;
                One(i, words.X, scale);
                if (rest > 1)
                {
                    One(i + 1, words.Y, scale);
                }

                if (rest > 2)
                {
                    One(i + 2, words.Z, scale);
                }

                if (rest > 3)
                {
                    One(i + 3, words.W, scale);
                }
            }
        }

        private void One(int i, uint word, float scale)
        {
            float kept = Uniform(word) >= probability ? _x[i] * scale : 0f;
            _y[i] = accumulate ? _y[i] + kept : kept;
        }
    }
}

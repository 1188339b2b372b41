using PeftCore.Kernels;

namespace PeftCore.Data;

/// <summary>Random changes of a training recording, in this order: its speed, which moves pitch and formants as well and so makes other
/// voices of one (Ko et al. 2015); a random filter, which makes other microphones; white noise; and silence before it. They are a function
/// of the draw, so that a resumed run repeats them.</summary>
/// <param name="Speed">The greatest change p of the speed: it is between 1/(1 + p) and 1 + p times as fast.</param>
/// <param name="Filter">The greatest weight of each of the four samples before, which are added to each sample.</param>
/// <param name="Noise">The greatest deviation of the noise, as a share of the recording's own.</param>
/// <param name="Shift">The longest silence before the recording, in seconds.</param>
internal sealed record SoundAugmentation(double Speed, double Filter, double Noise, double Shift)
{
    // Philox streams of its own, as those of pictures.
    private const ulong Streams = 0x736f_756e_0000_0000;

    private const int Taps = 4, FirstOfNoise = 16;

    /// <summary>Samples of the longest recording that a draw makes of one, before the model's own limit.</summary>
    public int Longest(int samples, int rate) => (int)Math.Ceiling(samples * (1 + Speed)) + (int)(Shift * rate);

    /// <summary>Samples of the shortest recording that a draw makes of one.</summary>
    public int Shortest(int samples) => Math.Max(1, (int)(samples / (1 + Speed)));

    /// <summary>Samples of the recording that a draw makes, silence included.</summary>
    public int LengthIn(SampleDraw draw, int samples, int rate) => SpokenIn(draw, samples) + SilenceIn(draw, rate);

    /// <summary>The recording of a draw.</summary>
    public float[] Of(ReadOnlySpan<float> samples, int rate, SampleDraw draw)
    {
        int spoken = SpokenIn(draw, samples.Length), silence = SilenceIn(draw, rate);
        float[] changed = new float[silence + spoken];
        var own = changed.AsSpan(silence);
        Stretch(samples, own);
        AddEchoes(own, draw);
        AddNoise(changed, own, draw);
        return changed;
    }

    private int SpokenIn(SampleDraw draw, int samples)
    {
        double speed = Math.Exp((2 * Uniform(draw, 0) - 1) * Math.Log(1 + Speed));
        return Math.Max(1, (int)Math.Round(samples / speed));
    }

    private int SilenceIn(SampleDraw draw, int rate) => (int)(Uniform(draw, 1) * Shift * rate);

    /// <summary>Reads a recording at another speed, with the cubic through the four samples around each time (Catmull and Rom
    /// 1974).</summary>
    private static void Stretch(ReadOnlySpan<float> x, Span<float> y)
    {
        if (x.Length == y.Length)
        {
            x.CopyTo(y);
            return;
        }
        double step = (double)x.Length / y.Length;
        for (int j = 0; j < y.Length; j++)
        {
            double at = j * step;
            int i = Math.Min((int)at, x.Length - 1);
            float t = (float)(at - i);
            float a = x[Math.Max(i - 1, 0)], b = x[i], c = x[Math.Min(i + 1, x.Length - 1)], d = x[Math.Min(i + 2, x.Length - 1)];
            y[j] = b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
        }
    }

    /// <summary>y[t] = x[t] + Σ_k w[k]·x[t − k].</summary>
    private void AddEchoes(Span<float> x, SampleDraw draw)
    {
        if (Filter == 0)
        {
            return;
        }
        Span<float> weights = stackalloc float[Taps];
        for (int k = 0; k < Taps; k++)
        {
            weights[k] = (float)(Filter * (2 * Uniform(draw, (ulong)(2 + k)) - 1));
        }
        for (int t = x.Length - 1; t > 0; t--)
        {
            for (int k = 1; k <= Math.Min(Taps, t); k++)
            {
                x[t] += weights[k - 1] * x[t - k];
            }
        }
    }

    private void AddNoise(Span<float> target, ReadOnlySpan<float> spoken, SampleDraw draw)
    {
        if (Noise == 0)
        {
            return;
        }
        double power = 0;
        foreach (float sample in spoken)
        {
            power += (double)sample * sample;
        }
        // Squared, so that little noise is more frequent; √3 makes the deviation of a number between −1 and 1 one.
        float loudness = (float)(Noise * Math.Pow(Uniform(draw, 2 + Taps), 2) * Math.Sqrt(3 * power / spoken.Length));
        ulong stream = Streams + (uint)draw.Epoch, first = (ulong)(uint)draw.Sample << 32;
        for (int t = 0; t < target.Length; t += 4)
        {
            var words = Philox.Next(draw.Seed, stream, (first + FirstOfNoise + (ulong)t) >> 2);
            ReadOnlySpan<uint> four = [words.X, words.Y, words.Z, words.W];
            for (int lane = 0; lane < Math.Min(4, target.Length - t); lane++)
            {
                target[t + lane] += loudness * (2 * Philox.Uniform(four[lane]) - 1);
            }
        }
    }

    private static double Uniform(SampleDraw draw, ulong index) =>
        Philox.Uniform(draw.Seed, Streams + (uint)draw.Epoch, ((ulong)(uint)draw.Sample << 32) | index);
}

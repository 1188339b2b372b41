using System.Numerics.Tensors;

namespace PeftCore.Data;

/// <summary>Resampling by polyphase windowed sincs (Smith and Gossett 1984): y[j] = Σ_i x[i]·h(j/to − i/from), h being the ideal low-pass
/// filter of the lower rate in a Kaiser window. Output samples whose time has the same fraction share the weights of one phase.</summary>
internal static class Resampler
{
    // A Kaiser window of 64 zero crossings on each side: frequencies up to 0.9476 of the lower Nyquist rate pass, and images are 140 dB
    // below them.
    private const int ZeroCrossings = 64;
    private const double Rolloff = 0.9475937167399596, Beta = 14.769656459379492;

    /// <summary>Resamples from one rate to another, both in samples a second.</summary>
    public static float[] Resample(ReadOnlySpan<float> x, int from, int to)
    {
        int divisor = (int)System.Numerics.BigInteger.GreatestCommonDivisor(from, to);
        int up = to / divisor, down = from / divisor;
        double cutoff = Rolloff * Math.Min(1.0, (double)up / down); // Of the Nyquist rate of x.
        int reach = (int)Math.Ceiling(ZeroCrossings / cutoff);
        float[] padded = new float[x.Length + 2 * reach + 1]; // Silence before and after.
        x.CopyTo(padded.AsSpan(reach));
        float[] y = new float[((long)x.Length * up + down - 1) / down];
        float[]?[] phases = new float[up][];
        for (int j = 0; j < y.Length; j++)
        {
            long at = (long)j * down; // In units of 1/up samples of x.
            int whole = (int)(at / up), phase = (int)(at % up);
            float[] weights = phases[phase] ??= Phase((double)phase / up, cutoff, reach);
            y[j] = TensorPrimitives.Dot(weights, padded.AsSpan(whole, weights.Length));
        }
        return y;
    }

    /// <summary>The weights of the samples from reach before to reach after the one at or before a time.</summary>
    /// <param name="fraction">How much later the time is than that sample, in samples.</param>
    /// <param name="cutoff">The highest frequency that passes, as part of the Nyquist rate.</param>
    /// <param name="reach">Samples on each side.</param>
    private static float[] Phase(double fraction, double cutoff, int reach)
    {
        float[] weights = new float[2 * reach + 1];
        for (int i = 0; i < weights.Length; i++)
        {
            double t = cutoff * (i - reach - fraction), u = t / ZeroCrossings;
            double window = Math.Abs(u) >= 1 ? 0 : BesselI0(Beta * Math.Sqrt(1 - u * u)) / BesselI0(Beta);
            double sinc = t == 0 ? 1 : Math.Sin(Math.PI * t) / (Math.PI * t);
            weights[i] = (float)(cutoff * sinc * window);
        }
        return weights;
    }

    /// <summary>The modified Bessel function of order 0: Σ_k ((x/2)^k / k!)².</summary>
    private static double BesselI0(double x)
    {
        double sum = 1, term = 1;
        for (int k = 1; term > 1e-17 * sum; k++)
        {
            double factor = x / 2 / k;
            term *= factor * factor;
            sum += term;
        }
        return sum;
    }
}

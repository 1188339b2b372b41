using PeftCore.Backends;
using PeftCore.Nn;
using System.Runtime.InteropServices;

namespace PeftCore.Models;

/// <summary>Initial values of a first convolution over samples: Gabor filters, waves in a Gaussian window, at frequencies that are equally
/// far apart on the mel scale (Zeghidour et al. 2018). Each frequency has four filters, a quarter of a period apart: an activation of the
/// four and their sum, which the next convolution learns, is the loudness around the frequency.</summary>
internal static class BandPassFilters
{
    private const int Phases = 4;
    private const double LowestHertz = 80, HighestPart = 0.95;

    // High frequencies are quieter in voices; the filters raise them as x[t] − 0.97·x[t − 1] would.
    private const double PreEmphasis = 0.97;

    /// <summary>Writes the filters into a weight (channels, 1, kernel).</summary>
    /// <param name="convolution">A convolution over samples.</param>
    /// <param name="rate">Samples a second.</param>
    /// <exception cref="BadInputException">The kernel is too short for the lowest frequencies, or there are too few channels.</exception>
    public static void Fill(Convolution convolution, int rate)
    {
        int kernel = convolution.Spec.KernelWidth, channels = convolution.Outputs, count = channels / Phases;
        if (count < 2 || channels % Phases != 0 || kernel * 100 < rate)
        {
            throw new BadInputException($"the first convolution has {channels} channels and a kernel of {kernel} samples, but band-pass " +
                $"filters need a multiple of {Phases} channels, at least {2 * Phases}, and 10 ms, {(rate + 99) / 100} samples; change " +
                "conv_dim and conv_kernel, or leave the filters out");
        }
        double lowest = Mel(LowestHertz), step = (Mel(HighestPart * rate / 2) - lowest) / (count - 1);
        float[] values = new float[channels * kernel];
        for (int band = 0; band < count; band++)
        {
            double center = Hertz(lowest + band * step);
            double width = (Hertz(lowest + (band + 1) * step) - Hertz(lowest + (band - 1) * step)) / 2;
            // A Gaussian of deviation σ has one of 1/2πσ in frequency; the window ends at 2.5 σ.
            double deviation = Math.Min(rate / (2 * Math.PI * 0.5 * width), kernel / 5.0);
            for (int phase = 0; phase < Phases; phase++)
            {
                Write(values.AsSpan((band * Phases + phase) * kernel, kernel), 2 * Math.PI * center / rate, phase * Math.PI / 2, deviation);
            }
        }
        var weight = convolution.Weight.Value;
        ((Backend)weight.Device).Upload(MemoryMarshal.AsBytes<float>(values), weight);
    }

    private static void Write(Span<float> filter, double frequency, double phase, double deviation)
    {
        double norm = 0, middle = (filter.Length - 1) / 2.0;
        for (int t = 0; t < filter.Length; t++)
        {
            double u = (t - middle) / deviation;
            filter[t] = (float)(Math.Exp(-u * u / 2) * Math.Cos(frequency * (t - middle) + phase));
            norm += (double)filter[t] * filter[t];
        }
        double loudness = Math.Sqrt(1 + PreEmphasis * PreEmphasis - 2 * PreEmphasis * Math.Cos(frequency)) / Math.Sqrt(norm);
        foreach (ref float value in filter)
        {
            value *= (float)loudness;
        }
    }

    // The mel scale of O'Shaughnessy (1987).
    private static double Mel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);

    private static double Hertz(double mel) => 700 * (Math.Pow(10, mel / 2595) - 1);
}

using System.Numerics;

namespace PeftCore.Data;

/// <summary>Sizes of a log-mel spectrogram, with Whisper's values.</summary>
/// <param name="Bins">Mel filters.</param>
/// <param name="Rate">Samples a second.</param>
/// <param name="Window">Samples of a Fourier transform.</param>
/// <param name="Hop">Samples between two frames.</param>
internal sealed record MelSizes(int Bins = 80, int Rate = 16000, int Window = 400, int Hop = 160);

/// <summary>The log-mel spectrogram of Whisper (Radford et al. 2022): power spectra of Hann windows around every hop, mel filters,
/// log₁₀(max(x, 10⁻¹⁰)) no lower than 8 below the largest of the clip, and (x + 4)/4.</summary>
internal sealed class LogMelSpectrogram
{
    // The filters end here at any rate, as in transformers.
    private const double HighestHertz = 8000, Floor = 1e-10, Range = 8;

    private readonly MelSizes _sizes;
    private readonly FourierTransform _transform;
    private readonly MelFilterBank _filters;
    private readonly double[] _window;

    /// <summary>Prepares spectrograms of one kind.</summary>
    public LogMelSpectrogram(MelSizes sizes)
    {
        _sizes = sizes;
        _transform = new FourierTransform(sizes.Window);
        _filters = new MelFilterBank(sizes.Bins, sizes.Window / 2 + 1, sizes.Rate, HighestHertz);
        _window = [.. Enumerable.Range(0, sizes.Window).Select(t => 0.5 - 0.5 * Math.Cos(2 * Math.PI * t / sizes.Window))];
    }

    /// <summary>Frames of a clip: one a hop.</summary>
    public int FramesOf(int samples) => samples / _sizes.Hop;

    /// <summary>The spectrogram of a clip with silence after it.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="length">Samples with the silence: at least half a window.</param>
    /// <returns>(bins, frames), row-major.</returns>
    public float[] Of(ReadOnlySpan<float> samples, int length)
    {
        int frames = FramesOf(length), bins = _sizes.Bins;
        double[] logs = new double[bins * frames];
        var frame = new Complex[_sizes.Window];
        var spectrum = new Complex[_sizes.Window];
        double[] power = new double[_sizes.Window / 2 + 1];
        for (int t = 0; t < frames; t++)
        {
            if (!Fill(frame, samples, length, t))
            {
                Array.Clear(power);
            }
            else
            {
                _transform.Forward(frame, spectrum);
                for (int k = 0; k < power.Length; k++)
                {
                    power[k] = spectrum[k].Real * spectrum[k].Real + spectrum[k].Imaginary * spectrum[k].Imaginary;
                }
            }
            for (int bin = 0; bin < bins; bin++)
            {
                logs[bin * frames + t] = Math.Log10(Math.Max(_filters.Apply(bin, power), Floor));
            }
        }
        double lowest = logs.Length == 0 ? 0 : logs.Max() - Range;
        return Array.ConvertAll(logs, log => (float)((Math.Max(log, lowest) + 4) / 4));
    }

    /// <summary>Cuts a frame in its window: its center is at the hop, and the signal is mirrored at both ends.</summary>
    /// <returns>Whether it is more than silence.</returns>
    private bool Fill(Complex[] frame, ReadOnlySpan<float> samples, int length, int t)
    {
        bool sounds = false;
        for (int i = 0; i < frame.Length; i++)
        {
            int at = Mirror(t * _sizes.Hop + i - _sizes.Window / 2, length);
            float sample = at < samples.Length ? samples[at] : 0;
            sounds |= sample != 0;
            frame[i] = _window[i] * sample;
        }
        return sounds;
    }

    private static int Mirror(int at, int length)
    {
        at = Math.Abs(at);
        return at < length ? at : 2 * (length - 1) - at;
    }
}

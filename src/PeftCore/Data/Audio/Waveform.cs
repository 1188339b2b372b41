namespace PeftCore.Data;

/// <summary>A recording: one channel of samples between −1 and 1. Files are decoded by the caller: <see cref="FromChannels"/>.</summary>
public sealed class Waveform
{
    // Outside of these rates a file is damaged rather than unusual.
    private const int LowestRate = 1000, HighestRate = 1 << 20;

    private Waveform(float[] samples, int rate) => (Samples, Rate) = (samples, rate);

    /// <summary>The samples.</summary>
    internal float[] Samples { get; }

    /// <summary>Samples a second.</summary>
    internal int Rate { get; }

    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Samples.Length / Rate;

    /// <summary>The mean of all channels.</summary>
    /// <param name="source">The file, for error messages.</param>
    /// <param name="interleaved">The samples of all channels, one moment after the other.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="rate">Samples a second.</param>
    /// <exception cref="BadInputException">There are no samples, samples that are no numbers, or an impossible rate.</exception>
    public static Waveform FromChannels(string source, ReadOnlySpan<float> interleaved, int channels, int rate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        if (rate is < LowestRate or > HighestRate)
        {
            throw new BadInputException(
                $"{source}: the sampling rate is {rate} Hz, expected {LowestRate} to {HighestRate}; record or convert the file again.");
        }
        if (interleaved.Length < channels)
        {
            throw new BadInputException($"{source}: the recording has no samples; leave the file out or record it again.");
        }
        float[] samples = new float[interleaved.Length / channels];
        for (int i = 0; i < samples.Length; i++)
        {
            double sum = 0;
            foreach (float sample in interleaved.Slice(i * channels, channels))
            {
                sum += sample;
            }
            samples[i] = (float)(sum / channels);
            if (!float.IsFinite(samples[i]))
            {
                throw new BadInputException($"{source}: sample {i} is not a finite number; the file is damaged.");
            }
        }
        return new Waveform(samples, rate);
    }

    /// <summary>The log-mel spectrogram, at Whisper's rate of 16 kHz and with its frames of 10 ms.</summary>
    /// <param name="bins">Mel filters, from 0 to 8 kHz.</param>
    /// <returns>(bins, frames)</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no filter, or more of them than frequencies of a frame.</exception>
    public float[,] Spectrogram(int bins = 80)
    {
        var sizes = new MelSizes(bins);
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bins, sizes.Window / 2 + 1);
        float[] samples = At(sizes.Rate).Samples;
        int length = Math.Max(samples.Length, sizes.Window), frames = length / sizes.Hop;
        float[] values = new LogMelSpectrogram(sizes).Of(samples, length);
        float[,] table = new float[bins, frames];
        Buffer.BlockCopy(values, 0, table, 0, sizeof(float) * values.Length);
        return table;
    }

    /// <summary>The numbers that a model reads of the recording: samples or a spectrogram, as preprocessor_config.json says.</summary>
    /// <param name="directory">The model's directory.</param>
    /// <returns>(bins, frames), or (1, samples)</returns>
    /// <exception cref="BadInputException">The directory has no preprocessor of recordings, or one that is not supported, or the recording
    /// is longer than what the model hears at a time.</exception>
    public float[,] Preprocess(string directory)
    {
        var preprocessor = AudioPreprocessor.Read(directory, ProcessorConfig.ModelTypeIn(directory));
        var features = preprocessor.Of(this, directory);
        float[,] table = new float[features.Rows, features.Columns];
        Buffer.BlockCopy(features.Values, 0, table, 0, sizeof(float) * features.Values.Length);
        return table;
    }

    /// <summary>A part of the recording.</summary>
    internal Waveform Slice(int start, int count) => new(Samples[start..(start + count)], Rate);

    /// <summary>The recording at another rate.</summary>
    internal Waveform At(int rate) => rate == Rate ? this : new(Resampler.Resample(Samples, Rate, rate), rate);
}

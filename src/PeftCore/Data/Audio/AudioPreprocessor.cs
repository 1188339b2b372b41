using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Makes the inputs of a model from recordings, as preprocessor_config.json says.</summary>
internal abstract class AudioPreprocessor
{
    private protected AudioPreprocessor(ConfigReader config)
    {
        Source = config.Source;
        Rate = config.Int("sampling_rate", 16000, min: 1000, max: 1 << 20);
        if (config.Float("padding_value", 0) is not 0 and var value)
        {
            throw config.Error("padding_value", FormattableString.Invariant($"is {value}, but only silence (0) is supported"));
        }
        if (config.StringOrNull("padding_side") is not (null or "right") and var side)
        {
            throw config.Error("padding_side", $"is \"{side}\", but recordings are padded on the right");
        }
    }

    /// <summary>The file, for error messages.</summary>
    public string Source { get; }

    /// <summary>Samples a second that the model expects.</summary>
    public int Rate { get; }

    /// <summary>The longest recording, in seconds; null for no limit.</summary>
    public virtual double? MostSeconds => null;

    /// <summary>The inputs of a recording at any rate.</summary>
    /// <exception cref="BadInputException">It is longer than <see cref="MostSeconds"/>.</exception>
    public abstract AudioFeatures Of(Waveform recording, string source);

    /// <summary>Reads the preprocessor of a model directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="modelType">The family, which decides if the file does not name a preprocessor.</param>
    /// <exception cref="BadInputException">The directory has none, or one that is not supported.</exception>
    public static AudioPreprocessor Read(string directory, string modelType) =>
        Of(ProcessorConfig.Open(directory, "feature_extractor", "a recording"), modelType);

    internal static AudioPreprocessor Of(ConfigReader config, string modelType)
    {
        const string Field = "feature_extractor_type", Whisper = "WhisperFeatureExtractor", Wave = "Wav2Vec2FeatureExtractor";
        return config.Choice(Field, modelType == "whisper" ? Whisper : Wave, Whisper, Wave) == Whisper
            ? new WhisperPreprocessor(config) : new WavePreprocessor(config);
    }
}

/// <summary>The inputs of one recording: F32 (rows, columns), row-major. Raw samples are one row.</summary>
/// <param name="Values">The numbers.</param>
/// <param name="Rows">Rows: mel bins, or 1.</param>
/// <param name="Columns">Columns: frames, or samples.</param>
internal sealed record AudioFeatures(float[] Values, int Rows, int Columns);

/// <summary>Log-mel spectrograms of a fixed length (WhisperFeatureExtractor): silence fills the rest of the window.</summary>
internal sealed class WhisperPreprocessor : AudioPreprocessor
{
    private readonly LogMelSpectrogram _spectrogram;
    private readonly int _seconds;

    public WhisperPreprocessor(ConfigReader config) : base(config)
    {
        Sizes = new MelSizes(config.Int("feature_size", 80, min: 1, max: 1024), Rate, config.Int("n_fft", 400, min: 2, max: 1 << 16),
            config.Int("hop_length", 160, min: 1, max: 1 << 16));
        _seconds = config.Int("chunk_length", 30, min: 1, max: 3600);
        if (config.Float("dither", 0) != 0)
        {
            throw config.Error("dither", "is not 0, but noise is not added to recordings here");
        }
        if (config.Has("do_normalize") && config.Bool("do_normalize"))
        {
            throw config.Error("do_normalize", "is true, but spectrograms are made of recordings as they are here");
        }
        if (Sizes.Window / 2 >= Samples)
        {
            throw config.Error("n_fft", $"is {Sizes.Window}, more than a window of {Samples} samples allows");
        }
        _spectrogram = new LogMelSpectrogram(Sizes);
    }

    /// <summary>The sizes.</summary>
    public MelSizes Sizes { get; }

    /// <summary>Samples of a window.</summary>
    public int Samples => _seconds * Rate;

    /// <summary>Frames of a window.</summary>
    public int Frames => _spectrogram.FramesOf(Samples);

    public override double? MostSeconds => _seconds;

    public override AudioFeatures Of(Waveform recording, string source)
    {
        float[] samples = recording.At(Rate).Samples;
        return samples.Length <= Samples ? new AudioFeatures(_spectrogram.Of(samples, Samples), Sizes.Bins, Frames)
            : throw new BadInputException(FormattableString.Invariant(
                $"{source}: the recording is {recording.Seconds:0.0} s long, but this model hears {_seconds} s at a time; cut it in parts."));
    }
}

/// <summary>Samples with a mean of zero and a variance of one (Wav2Vec2FeatureExtractor). A recording is normalized by itself, before
/// padding; transformers does so only where an attention mask is returned, and else counts the padding of the batch in.</summary>
internal sealed class WavePreprocessor : AudioPreprocessor
{
    private const double Epsilon = 1e-7;

    private readonly bool _normalizes;

    public WavePreprocessor(ConfigReader config) : base(config)
    {
        _normalizes = config.Bool("do_normalize", true);
        ReturnsMask = config.Bool("return_attention_mask", false);
        if (config.Int("feature_size", 1) != 1)
        {
            throw config.Error("feature_size", "is not 1, but raw samples are one number a moment");
        }
    }

    /// <summary>Whether the model is told where the padding of a batch begins. Models with group norm were trained without.</summary>
    public bool ReturnsMask { get; }

    public override AudioFeatures Of(Waveform recording, string source)
    {
        float[] samples = recording.At(Rate).Samples;
        return new AudioFeatures(_normalizes ? Normalize(samples) : samples, 1, samples.Length);
    }

    /// <summary>(x − mean)/√(variance + 10⁻⁷).</summary>
    internal static float[] Normalize(float[] samples)
    {
        double mean = samples.Average(sample => (double)sample);
        double variance = samples.Average(sample => (sample - mean) * (sample - mean));
        double factor = 1 / Math.Sqrt(variance + Epsilon);
        return Array.ConvertAll(samples, sample => (float)((sample - mean) * factor));
    }
}

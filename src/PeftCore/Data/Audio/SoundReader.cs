using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>Reads recordings as the inputs of a model: decodes a file, changes its rate, and makes samples or a spectrogram of it, as the
/// model's preprocessor_config.json says.</summary>
public sealed class SoundReader
{
    // Recordings up to this size in all stay in memory; later ones are read again each time they are drawn.
    private const long MostKeptBytes = 1L << 29;

    private readonly AudioPreprocessor _preprocessor;
    private readonly Func<string, Waveform> _decode;
    private readonly SoundAugmentation? _augmentation;
    private long _keptBytes;

    private SoundReader(TransformerModel model, AudioPreprocessor preprocessor, SpeechPrompt? prompt, Func<string, Waveform> decode,
        SoundAugmentation? augmentation = null) =>
        (Model, _preprocessor, Prompt, _decode, _augmentation) = (model, preprocessor, prompt,
            path => Given.Result(decode(path), $"{path}: the decoder of recordings"), augmentation);

    /// <summary>The model, which may have no weights yet.</summary>
    internal TransformerModel Model { get; }

    /// <summary>The tokens before every transcript; null for a model without a decoder.</summary>
    internal SpeechPrompt? Prompt { get; }

    /// <summary>Whether the model is told where the padding of a batch begins.</summary>
    internal bool MarksPadding => _preprocessor is WavePreprocessor { ReturnsMask: true };

    /// <summary>Opens the preprocessor of a model.</summary>
    /// <param name="model">The model, with or without weights.</param>
    /// <param name="directory">The model's directory.</param>
    /// <param name="decode">Decodes a file; it throws a <see cref="BadInputException"/> for one that it cannot read.</param>
    /// <exception cref="BadInputException">The directory has no preprocessor, or it does not fit the model.</exception>
    public static SoundReader Open(TransformerModel model, string directory, Func<string, Waveform> decode)
    {
        ArgumentNullException.ThrowIfNull(model);
        var preprocessor = AudioPreprocessor.Read(directory, model.ModelType);
        if (model.InputsOf(0).Sound is not { } sound || sound.Rank == 2 != preprocessor is WhisperPreprocessor)
        {
            throw new BadInputException($"{preprocessor.Source}: the preprocessor does not make what a {model.ModelType} model reads; copy " +
                "the file of this model.");
        }
        if (preprocessor is WhisperPreprocessor whisper && (whisper.Sizes.Bins != sound[0] || whisper.Frames != sound[1]))
        {
            throw new BadInputException($"{preprocessor.Source}: the preprocessor makes {whisper.Sizes.Bins} bins and {whisper.Frames} frames, " +
                $"but the model reads {sound[0]} and {sound[1]}; feature_size and chunk_length belong to another model.");
        }
        return new SoundReader(model, preprocessor, model.Task == ModelTask.SpeechToText ? SpeechPrompt.Read(directory) : null, decode);
    }

    /// <summary>A reader that changes recordings at random each time they are drawn, for training data.</summary>
    /// <param name="speed">The greatest change p of the speed, pitch included: between 1/(1 + p) and 1 + p times as fast.</param>
    /// <param name="filter">The greatest weight of the four samples before each in a random filter.</param>
    /// <param name="noise">The greatest deviation of white noise, as a share of the recording's own.</param>
    /// <param name="shift">The longest silence before the recording, in seconds.</param>
    /// <exception cref="BadInputException">A number is negative, or a speed or filter above 1.</exception>
    public SoundReader Augmented(double speed = 0, double filter = 0, double noise = 0, double shift = 0)
    {
        if (!(speed is >= 0 and <= 1 && filter is >= 0 and <= 1 && noise >= 0 && shift is >= 0 and <= 60))
        {
            throw new BadInputException(FormattableString.Invariant($"recordings cannot be changed with speed {speed}, filter {filter}, ") +
                FormattableString.Invariant($"noise {noise} and shift {shift}; expected no negative numbers, speed and filter up to 1, and ") +
                "a shift of up to 60 seconds");
        }
        return new SoundReader(Model, _preprocessor, Prompt, _decode, new SoundAugmentation(speed, filter, noise, shift));
    }

    /// <summary>Gives the first convolution of a model, before it is trained, band-pass filters at mel frequencies of this reader's
    /// rate: little data teach random filters nothing of the kind.</summary>
    /// <param name="model">A wav2vec 2.0 with weights.</param>
    /// <exception cref="BadInputException">The model has no convolution over samples, or one that is too short.</exception>
    public void FillFilters(TransformerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model is not Wav2Vec2 waves)
        {
            throw new BadInputException($"this {model.ModelType} model has no convolution over samples, so no filters to fill");
        }
        BandPassFilters.Fill(waves.FirstConvolution, _preprocessor.Rate);
    }

    /// <summary>Reads the inputs of a recording.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or does not fit the model; the message names it.</exception>
    internal AudioFeatures Read(string path) => Checked(_preprocessor.Of(_decode(path), path), path);

    /// <summary>The recording as a part of samples, and the columns of its shortest draw.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or does not fit the model; the message names it.</exception>
    internal (DenseSource Source, int Columns) Open(string path)
    {
        if (_augmentation is null)
        {
            var features = Read(path);
            return (SourceOf(path, features), features.Columns);
        }
        var recording = _decode(path).At(_preprocessor.Rate);
        var inputs = Checked(_preprocessor.Of(recording, path), path);
        _keptBytes += 4L * recording.Samples.Length;
        var changed = new ChangedSource(this, path, inputs, recording, keeps: _keptBytes <= MostKeptBytes);
        return (changed, inputs.Rows > 1 ? inputs.Columns : _augmentation.Shortest(inputs.Columns));
    }

    /// <summary>Refuses a tokenizer with another symbol between labels than the model: it would write blanks and drop a letter.</summary>
    /// <param name="pad">The tokenizer's padding, which decoding drops; null for none.</param>
    /// <exception cref="BadInputException">The model has another blank.</exception>
    internal void CheckBlank(int? pad)
    {
        if (Model is Wav2Vec2 waves && pad != waves.Blank)
        {
            throw new BadInputException($"pad_token_id in config.json is {waves.Blank}, the blank between labels, but the tokenizer " +
                $"{(pad is { } other ? $"has its padding, which it drops, at {other}" : "has no padding to drop")}; make both the same.");
        }
    }

    private AudioFeatures Checked(AudioFeatures features, string path)
    {
        if (!features.Values.AsSpan().ContainsAnyExcept(features.Values[0]))
        {
            throw new BadInputException($"{path}: the recording is silent: all of its samples, the mean of its channels, are the same; leave " +
                "it out or record it again.");
        }
        return Model is Wav2Vec2 frames && frames.FramesOf(features.Columns) == 0
            ? throw new BadInputException($"{path}: the recording has {features.Columns} samples at {_preprocessor.Rate} Hz, too few for a " +
                "single frame of the model; leave it out.")
            : features;
    }

    /// <summary>Seconds that the model hears at a time; 0 for no limit.</summary>
    internal double SecondsOfPart => _preprocessor.MostSeconds ?? 0;

    /// <summary>The parts of a recording that the model hears at a time.</summary>
    internal IEnumerable<AudioFeatures> Parts(Waveform recording, string source)
    {
        recording = recording.At(_preprocessor.Rate);
        int most = _preprocessor is WhisperPreprocessor whisper ? whisper.Samples : recording.Samples.Length;
        for (int start = 0; start < recording.Samples.Length; start += most)
        {
            yield return _preprocessor.Of(recording.Slice(start, Math.Min(most, recording.Samples.Length - start)), source);
        }
    }

    /// <summary>Decodes a file.</summary>
    internal Waveform Decode(string path) => _decode(path);

    /// <summary>The recording as a part of samples: in memory, or read again each time.</summary>
    internal DenseSource SourceOf(string path, AudioFeatures features)
    {
        _keptBytes += 4L * features.Values.Length;
        var source = new RecordingSource(this, path, features, keeps: _keptBytes <= MostKeptBytes);
        return source;
    }

    /// <summary>A recording that each draw changes.</summary>
    private sealed class ChangedSource : DenseSource
    {
        private readonly SoundReader _reader;
        private readonly string _path;
        private readonly Waveform? _kept;
        private readonly int _samples;

        public ChangedSource(SoundReader reader, string path, AudioFeatures features, Waveform recording, bool keeps)
        {
            (_reader, _path, _samples, _kept) = (reader, path, recording.Samples.Length, keeps ? recording : null);
            Shape = features.Rows > 1 ? [features.Rows, features.Columns] : [Augmentation.Longest(_samples, recording.Rate)];
            Fingerprint = new DenseValues(features.Values, Shape).Fingerprint * 31 + Augmentation.GetHashCode();
        }

        public override Shape Shape { get; }

        public override long Fingerprint { get; }

        public override bool MarksPadding => _reader.MarksPadding;

        private SoundAugmentation Augmentation => _reader._augmentation!;

        public override int ColumnsIn(SampleDraw draw) =>
            Shape.Rank > 1 ? Shape.Columns : Augmentation.LengthIn(draw, _samples, _reader._preprocessor.Rate);

        public override void Read(Span<float> target, SampleDraw draw)
        {
            var preprocessor = _reader._preprocessor;
            var recording = _kept ?? _reader._decode(_path).At(preprocessor.Rate);
            if (recording.Samples.Length != _samples)
            {
                throw new BadInputException($"{_path}: the recording has changed since the data were read; start again.");
            }
            float[] changed = Augmentation.Of(recording.Samples, preprocessor.Rate, draw);
            // A model with a window hears no more than the window, however slow the recording became.
            int most = (int)Math.Min(changed.Length, (preprocessor.MostSeconds ?? double.MaxValue) * preprocessor.Rate);
            preprocessor.Of(Waveform.FromChannels(_path, changed.AsSpan(0, most), 1, preprocessor.Rate), _path).Values.CopyTo(target);
        }
    }

    private sealed class RecordingSource : DenseSource
    {
        private readonly SoundReader _reader;
        private readonly string _path;
        private readonly float[]? _values;

        public RecordingSource(SoundReader reader, string path, AudioFeatures features, bool keeps)
        {
            (_reader, _path) = (reader, path);
            Shape = features.Rows == 1 ? [features.Columns] : [features.Rows, features.Columns];
            Fingerprint = new DenseValues(features.Values, Shape).Fingerprint;
            _values = keeps ? features.Values : null;
        }

        public override Shape Shape { get; }

        public override long Fingerprint { get; }

        public override bool MarksPadding => _reader.MarksPadding;

        public override void Read(Span<float> target, SampleDraw draw)
        {
            float[] values = _values ?? _reader.Read(_path).Values;
            if (values.Length != target.Length)
            {
                throw new BadInputException($"{_path}: the recording has changed since the data were read; start again.");
            }
            values.CopyTo(target);
        }
    }
}

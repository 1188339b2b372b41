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
    private long _keptBytes;

    private SoundReader(TransformerModel model, AudioPreprocessor preprocessor, SpeechPrompt? prompt, Func<string, Waveform> decode) =>
        (Model, _preprocessor, Prompt, _decode) = (model, preprocessor, prompt, decode);

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

    /// <summary>Reads the inputs of a recording.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or does not fit the model; the message names it.</exception>
    internal AudioFeatures Read(string path)
    {
        var features = _preprocessor.Of(_decode(path), path);
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

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Writes what is said in a recording, with a model of speech and its active adapters.</summary>
/// <param name="model">The model.</param>
/// <param name="sound">Reads recordings for it.</param>
/// <param name="tokenizer">The model's tokenizer.</param>
public sealed class Transcriber(TransformerModel model, SoundReader sound, Tokenizer tokenizer)
{
    /// <summary>Transcribes a recording. One that is longer than what the model hears at a time is transcribed part by part.</summary>
    /// <param name="path">The file.</param>
    /// <param name="speech">Language, task, timestamps; null for the defaults.</param>
    /// <param name="options">Beams, suppressed tokens and others; null for the defaults.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <returns>The text; with timestamps, a line "[begin – end] text" for each piece.</returns>
    /// <exception cref="BadInputException">The file cannot be read, or the model cannot do what is asked.</exception>
    public string Transcribe(string path, SpeechOptions? speech = null, GenerationOptions? options = null,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sound);
        ArgumentNullException.ThrowIfNull(tokenizer);
        (speech, options) = (speech ?? new SpeechOptions(), options ?? new GenerationOptions());
        if (model is Wav2Vec2 && (speech.Language is not null || speech.Translate || speech.Timestamps))
        {
            throw new BadInputException($"a {model.ModelType} model has one language and task and no timestamps; leave these options out.");
        }
        sound.CheckBlank(tokenizer.PadId);
        var texts = new List<string>();
        double start = 0;
        foreach (var part in sound.Parts(sound.Decode(path), path))
        {
            using var scope = new TensorScope();
            texts.Add(model is Wav2Vec2 waves ? Symbols(waves, part, path, options.NumBeams)
                : Written(part, start, ref speech, options, cancel));
            start += sound.SecondsOfPart;
        }
        return string.Join(speech.Timestamps ? Environment.NewLine : " ", texts.Where(text => text.Length > 0));
    }

    /// <summary>The labels that a CTC model hears in rows of logits.</summary>
    internal static int[][] Labels(Wav2Vec2 model, ModelInputs inputs, int beams)
    {
        float[] logits = Tape.NoGrad(() => model.Logits(inputs).ToFloats());
        int rows = inputs.FrameCounts.Length, each = logits.Length / rows, classes = model.OutputLayer!.Outputs;
        return [.. inputs.FrameCounts.Select((frames, row) =>
        {
            var own = logits.AsSpan(row * each, frames * classes);
            return beams > 1 ? CtcDecoding.Beam(own, classes, model.Blank, beams) : CtcDecoding.Greedy(own, classes, model.Blank);
        })];
    }

    /// <summary>The text of labels, whose repeats are letters of their own.</summary>
    internal static string TextOf(Tokenizer tokenizer, ReadOnlySpan<int> labels, int blank)
    {
        var ids = new List<int>();
        foreach (int label in labels)
        {
            ids.AddRange([label, blank]); // The decoder collapses repeats that no blank separates.
        }
        return tokenizer.Decode([.. ids], skipSpecialTokens: false).Trim();
    }

    private string Symbols(Wav2Vec2 waves, AudioFeatures part, string path, int beams)
    {
        if (waves.FramesOf(part.Columns) == 0)
        {
            throw new BadInputException($"{path}: the recording is too short for a single frame of the model.");
        }
        var inputs = model.ToInputs(new InputArrays { BatchSize = 1, Sound = new DenseArray(part.Values, [1, part.Columns]) });
        return TextOf(tokenizer, Labels(waves, inputs, beams)[0], waves.Blank);
    }

    private string Written(AudioFeatures part, double start, ref SpeechOptions speech, GenerationOptions options, CancellationToken cancel)
    {
        var writer = new SpeechWriter(Seq2SeqModel.Of(model), sound.Prompt!, tokenizer, options);
        var clip = new DenseArray(part.Values, [1, part.Rows, part.Columns]);
        var given = speech;
        int? language = sound.Prompt!.Languages.Count > 0 && speech.Language is null ? writer.LanguageOf(clip) : null;
        if (language is { } spoken)
        {
            // Later parts have the language of the first.
            speech = new SpeechOptions
            {
                Language = sound.Prompt.Languages.First(pair => pair.Value == spoken).Key,
                Translate = given.Translate,
                Timestamps = given.Timestamps,
            };
        }
        var tokens = writer.Write([clip], [sound.Prompt.Tokens(speech)], speech.Timestamps, cancel)[0].Tokens;
        return writer.TextOf(tokens, speech.Timestamps ? start : null);
    }
}

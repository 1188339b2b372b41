using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Data;

/// <summary>Encodes recordings with their transcripts: the sound for the model, and the symbols of the transcript as what it learns to
/// write.</summary>
internal sealed class SoundEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
{
    // The symbol between words in the vocabularies of CTC models.
    private const string WordDelimiter = " ";

    private readonly SoundReader _sound = options.Sound
        ?? throw new ArgumentException("The options have no sound, which recordings are read with.", nameof(options));

    /// <exception cref="BadInputException">A row is no recording with a transcript, or a file is bad; the message names it.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        CheckLanguage();
        _sound.CheckBlank(tokenizer.PadId);
        var examples = new List<Example>(rows.Count);
        var bad = new BadFiles(options.SkipBadFiles);
        foreach (var row in rows)
        {
            report.Rows++;
            var recording = (row as MediaRow)?.RequireWords() ?? throw row.Place.Error(
                $"the row has {RowForm.NameOf(row)}, expected {{\"file_name\", \"text\"}}, a recording and what is said");
            if (bad.Read(() => Encode(recording)) is { } example)
            {
                examples.Add(example with { TaskId = row.TaskId });
            }
        }
        report.BadFiles = bad.Warning(rows.Count);
        return report.Finish(rows, examples);
    }

    /// <summary>Refuses transcripts of an unnamed language, or a language where the model has none, before a file is read.</summary>
    private void CheckLanguage()
    {
        if (_sound.Prompt is null && options.Speech?.Language is { } named)
        {
            throw new BadInputException($"a {_sound.Model.ModelType} model hears symbols of one vocabulary and has no tokens of languages, so " +
                $"\"{named}\" cannot be chosen; leave the language out.");
        }
        if (_sound.Prompt is { Languages.Count: > 0 } prompt && options.Speech?.Language is null)
        {
            throw new BadInputException($"{prompt.Source}: the model writes {prompt.Languages.Count} languages; name that of the " +
                "transcripts, in the tool with --language.");
        }
        _sound.Prompt?.Tokens(options.Speech ?? new SpeechOptions());
    }

    private Example Encode(MediaRow row)
    {
        int[] text = tokenizer.Encode(row.Words, addSpecialTokens: false).Ids;
        if (text.Length == 0)
        {
            throw new BadInputException($"{row.File}: the transcript in {row.Place} is empty; leave the recording out.");
        }
        var (sound, columns) = _sound.Open(row.File);
        var example = Example.Unlabelled([]) with { Sound = sound };
        return _sound.Model is Wav2Vec2 frames ? Transcript(row, example, text, frames.FramesOf(columns))
            : WithTarget(row, example, text);
    }

    /// <summary>Labels of connectionist temporal classification, which must fit the frames.</summary>
    private Example Transcript(MediaRow row, Example example, int[] text, int frames)
    {
        int needed = CtcDecoding.FramesFor(text);
        if (needed > frames)
        {
            throw new BadInputException($"{row.File}: the transcript \"{Short(row.Words)}\" takes {needed} frames, but the recording has " +
                $"{frames}; leave it out, or check that it is the whole recording.");
        }
        report.UnknownSymbols += tokenizer.UnkId is { } unknown ? text.Count(id => id == unknown) : 0;
        int[] delimiter = tokenizer.Encode(WordDelimiter, addSpecialTokens: false).Ids;
        return example with { TargetIds = text, IsTranscript = true, WordDelimiter = delimiter is [var only] ? only : null };
    }

    /// <summary>The tokens that a decoder writes: language, task, timestamps or not, the text, and the end. The model puts its start token
    /// before them.</summary>
    private Example WithTarget(MediaRow row, Example example, int[] text)
    {
        int[] before = _sound.Prompt!.Tokens(options.Speech ?? new SpeechOptions());
        int[] end = (options.EosId ?? tokenizer.EosId) is { } eos ? [eos] : [];
        report.NoEnd |= end.Length == 0;
        int most = options.MaxTargetLength ?? options.MaxSeqLength, all = before.Length + text.Length + end.Length;
        return all <= most
            ? example with { TargetIds = [.. before, .. text, .. end], GivenTargets = before.Length }
            : throw new BadInputException(
            $"{row.File}: the transcript in {row.Place} has {all} tokens, more than the {most} of --max-target-length; cut the recording in " +
            "parts, each with its transcript.");
    }

    private static string Short(string text) => text.Length > 60 ? text[..60] + "…" : text;
}

using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Reads data files, encodes them, and creates their data loaders.</summary>
internal sealed class DataSetup
{
    /// <summary>The default limit of the sequence length: few data sets need more, and memory grows with it.</summary>
    private const int UsualLength = 1024;

    private readonly ModelSession _session;
    private readonly Tokenizer? _tokenizer;
    private EncodeOptions _encoding;
    private readonly SequenceOptions _options;
    private readonly int _batchSize;
    private readonly ulong _seed;
    private readonly bool _packing;
    private readonly string? _maskPromptPlace;
    private readonly string? _lengthPlace;

    /// <param name="session">The model and its tokenizer.</param>
    /// <param name="options">The flags.</param>
    /// <param name="places">Number of positions of the context that an adapter's virtual tokens occupy.</param>
    public DataSetup(ModelSession session, SequenceOptions options, int places = 0)
    {
        MaxLength = LengthOf(session.Declared, options.MaxSeqLength, places);
        (_session, _tokenizer, _options) = (session, session.ReadsText ? session.Tokenizer : null, options);
        var template = options.ChatTemplate is { } name && _tokenizer is not null ? NamedTemplate.Find(_tokenizer, name) : null;
        _encoding = new EncodeOptions
        {
            MaxSeqLength = MaxLength,
            MaxTargetLength = TargetLengthOf(session.Declared, options),
            MaskPrompt = options.MaskPrompt,
            ChatTemplate = template,
            Task = session.Declared.Task,
            Labels = session.Declared.Labels,
            ProblemType = session.Declared.ProblemType,
            SkipBadFiles = options.SkipBad,
            Sound = session.HearsSpeech ? session.Sound : null,
            Pictures = session.ReadsPictures ? session.Pictures : null,
            Speech = new SpeechOptions { Language = options.Language },
        };
        Refuse(session.HearsSpeech, options.Language is null ? null : "--language", "recordings");
        Refuse(session.ReadsPictures, options is TrainOptions { Flip: true } ? "--flip" : null, "pictures");
        Refuse(session.ReadsPictures, options is TrainOptions { RandomCrop: not null } ? "--random-crop" : null, "pictures");
        Refuse(session.HearsSpeech, options is TrainOptions { AugmentsSound: true } sounds ? FlagOf(sounds) : null, "recordings");
        Refuse(session.HearsSpeech || session.ReadsPictures, options.SkipBad ? "--skip-bad" : null, "recordings and pictures");
        _maskPromptPlace = options.Given.IsMeant("mask-prompt") ? options.Given.PlaceOf("mask-prompt") : null;
        _lengthPlace = _encoding.Task is ModelTask.Ctc or ModelTask.ImageClassification && options.Given.IsMeant("max-seq-length")
            ? options.Given.PlaceOf("max-seq-length") : null;
        if (options is TrainOptions { Packing: true } && _encoding.Task != ModelTask.CausalLm)
        {
            throw new BadInputException("--packing puts several texts into one row, which models for " +
                $"{TaskNames.Of(_encoding.Task)} cannot keep apart; leave it out.");
        }
        (_batchSize, _seed, _packing) = (options.BatchSize, options.Seed, options is TrainOptions { Packing: true });
    }

    private static string FlagOf(TrainOptions options) => options.SpeedChange > 0 ? "--speed-change"
        : options.RandomFilter > 0 ? "--random-filter" : options.AddNoise > 0 ? "--add-noise" : "--shift";

    private void Refuse(bool reads, string? flag, string files)
    {
        if (!reads && flag is not null)
        {
            throw new BadInputException($"{flag} is for {files}, but this {_session.Declared.ModelType} model reads none; leave it out.");
        }
    }

    /// <summary>The maximum sequence length in tokens.</summary>
    public int MaxLength { get; }

    /// <summary>The model's task.</summary>
    public ModelTask Task => _encoding.Task;

    public static int LengthOf(TransformerModel model, int? asked, int places = 0)
    {
        int most = model.MaxLength - places;
        if (most < 1 || asked > most)
        {
            string beside = places > 0 ? $", {places} of them taken by virtual tokens" : "";
            throw new BadInputException(
                $"--max-seq-length is {asked ?? UsualLength}, but the model allows sequences of {model.MaxLength} tokens{beside}; lower " +
                "it.");
        }
        return asked ?? Math.Min(most, UsualLength);
    }

    /// <summary>The maximum length of a target, --max-target-length or --max-seq-length; null for a model without targets.</summary>
    public static int? TargetLengthOf(TransformerModel model, SequenceOptions options)
    {
        if (model.Task is not (ModelTask.Seq2SeqLm or ModelTask.SpeechToText))
        {
            return options.MaxTargetLength is null ? null : throw new BadInputException(
                $"--max-target-length is {options.MaxTargetLength}, but this {model.ModelType} model is for " +
                $"{TaskNames.Of(model.Task)}, which has no target texts; leave it out.");
        }
        if (options.MaxTargetLength > model.MaxLength)
        {
            throw new BadInputException($"--max-target-length is {options.MaxTargetLength}, but the model allows target texts of " +
                $"{model.MaxLength} tokens; lower it.");
        }
        return options.MaxTargetLength ?? LengthOf(model, options.MaxSeqLength);
    }

    /// <summary>Reads a file or a directory and prints the warnings.</summary>
    public DataSplits Open(string path, Invocation call)
    {
        _session.TellOfPictures(call);
        return Warned(call, warnings => DataFiles.Open(path, Reading(_options, warnings)));
    }

    /// <summary>Reads the rows to measure a model on, and says which they are if a directory has no test data.</summary>
    public IReadOnlyList<DataRow> OpenForEvaluation(string path, Invocation call)
    {
        var splits = Open(path, call);
        if (Directory.Exists(path) && splits.Test is null)
        {
            call.Terminal.Note($"{path}: there are no test data, so the {(splits.Validation is null ? "training" : "validation")} data " +
                "are measured.");
        }
        return splits.ForEvaluation();
    }

    /// <summary>Reads a file that is not the data of the flags: its columns keep their names.</summary>
    public List<DataRow> ReadFile(string path, Invocation call) =>
        Warned(call, warnings => DataFiles.ReadFile(path, Reading(new SequenceOptions(), warnings)));

    private ReadOptions Reading(SequenceOptions options, ICollection<string> warnings) => new()
    {
        NumberLabels = _encoding.ProblemType == "regression",
        Fields = FieldNames.Fields(options.Fields),
        LabelNames = FieldNames.Labels(options.LabelNames),
        LabelSpaces = options.LabelSpaces,
        MediaEndings = _session.MediaEndings,
        Readers = ParquetRows.Readers(warnings, named: options.LabelNames is not null),
        Warnings = warnings,
    };

    /// <summary>Gives a new head that classifies the classes of the training data, unless its task already has names. A model of pictures
    /// gets a new head for other classes than its own, too.</summary>
    public void TakeLabels(IReadOnlyList<DataRow> rows, Invocation call)
    {
        bool isOther = _session is { Task: not { Labels: not null }, Declared.Task: ModelTask.ImageClassification }
            && !IsAmong(LabelMap.From(rows).Names, _session.Declared.Labels);
        if (isOther && !_session.LacksLabels)
        {
            call.Terminal.Note($"the classes of the data ({Some(LabelMap.From(rows).Names)}) are not those of the model " +
                $"({Some(_session.Declared.Labels)}), so it gets a new head.");
        }
        if (_session.LacksLabels || isOther)
        {
            _session.SetLabels(LabelMap.From(rows).Names, rows.All(row => row.HasLabels) ? "multi_label_classification" : null, _seed);
            _encoding = _encoding with { Labels = _session.Declared.Labels, ProblemType = _session.Declared.ProblemType };
        }
    }

    // Labels of data may also be the numbers of the model's classes.
    private static bool IsAmong(IReadOnlyList<string> names, IReadOnlyList<string> labels) =>
        names.All(name => labels.Contains(name) || (NumberText.TryDigits(name, out int number) && number < labels.Count));

    private static string Some(IReadOnlyList<string> names) => string.Join(", ", names.Take(4)) + (names.Count > 4 ? ", …" : "");

    /// <summary>Encodes rows as samples and prints the warnings.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="call">Receives the warnings.</param>
    /// <param name="train">Whether pictures and recordings are changed at random each time they are drawn, if the flags say so.</param>
    public List<Example> Encode(IReadOnlyList<DataRow> rows, Invocation call, bool train = false)
    {
        _session.TellOfTokenizer(call);
        if (_maskPromptPlace is { } place && rows.All(row => !row.HasPrompt))
        {
            call.Terminal.Note($"{place} has no effect on rows of text alone: there is no prompt to mask.");
        }
        else if (_maskPromptPlace is { } idle && _encoding.Task != ModelTask.CausalLm)
        {
            call.Terminal.Note($"{idle} has no effect for {TaskNames.Of(_encoding.Task)}, where prompts are not learned.");
        }
        if (_lengthPlace is { } length)
        {
            call.Terminal.Note($"{length} has no effect for {TaskNames.Of(_encoding.Task)}, where no tokens are read.");
        }
        // Labels are written whole: the longest gives the length of targets.
        var encoding = rows.All(row => row.HasLabel) ? _encoding with { MaxTargetLength = _options.MaxTargetLength } : _encoding;
        if (train && _options is TrainOptions { Augments: true } options)
        {
            encoding = encoding with { Pictures = encoding.Pictures!.Augmented(options.Flip, options.RandomCrop ?? 1) };
        }
        if (train && _options is TrainOptions { AugmentsSound: true } sound)
        {
            encoding = encoding with
            {
                Sound = encoding.Sound!.Augmented(sound.SpeedChange, sound.RandomFilter, sound.AddNoise, sound.Shift),
            };
        }
        var encoder = new ExampleEncoder(_tokenizer, encoding);
        var examples = encoder.Encode(rows);
        foreach (string warning in encoder.Warnings)
        {
            call.Terminal.Note(warning);
        }
        return examples;
    }

    /// <summary>Encodes labelled rows for classification, each row once per label.</summary>
    public List<LabelledSample> EncodeClasses(IReadOnlyList<DataRow> rows) =>
        Classification.Encode(new ExampleEncoder(_tokenizer, _encoding with { MaskPrompt = true }), rows, LabelMap.From(rows));

    /// <summary>The most likely tag of each word of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="call">Receives the warnings.</param>
    /// <param name="model">The model; null for that of the session.</param>
    public IReadOnlyList<(string Word, string Tag, double Probability)> TagsOf(DataRow row, Invocation call, TransformerModel? model = null)
    {
        var encoder = new ExampleEncoder(_tokenizer, _encoding);
        var tags = Classification.OfWords(model ?? _session.Model.Base, encoder, row);
        foreach (string warning in encoder.Warnings)
        {
            call.Terminal.Note(warning);
        }
        return tags;
    }

    private static T Warned<T>(Invocation call, Func<ICollection<string>, T> read)
    {
        var warnings = new List<string>();
        var result = read(warnings);
        warnings.ForEach(call.Terminal.Note);
        return result;
    }

    public DataLoader Loader(IReadOnlyList<Example> examples, bool train) => new(examples, new LoaderOptions
    {
        BatchSize = _batchSize,
        PadId = _tokenizer?.PadId ?? _tokenizer?.EosId ?? 0,
        Seed = _seed,
        Shuffle = train,
        PackInto = _packing && train ? MaxLength : null,
    });
}

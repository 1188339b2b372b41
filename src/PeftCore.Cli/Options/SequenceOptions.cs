using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Training;

namespace PeftCore.Cli.Options;

/// <summary>Settings that all verbs share which run a model over batches of data.</summary>
internal record SequenceOptions : VerbOptions
{
    public string? Model { get; init; }

    public int? ResizeTokenEmbeddings { get; init; }

    /// <summary>Help text of --resize-token-embeddings, which all verbs with a model have.</summary>
    public const string ResizeHelp = "rows of the token tables, as after adding tokens; new rows are the mean of the others";

    public int BatchSize { get; init; } = 8;

    public int? MaxSeqLength { get; init; }

    public int? MaxTargetLength { get; init; }

    /// <summary>Help text of --max-target-length.</summary>
    public const string TargetLengthHelp = "longest target of an encoder-decoder, in tokens";

    public bool MaskPrompt { get; init; } = new EncodeOptions { MaxSeqLength = 1 }.MaskPrompt;

    public string? ChatTemplate { get; init; }

    public string? Fields { get; init; }

    public string? LabelNames { get; init; }

    public bool LabelSpaces { get; init; }

    /// <summary>Help text of --task.</summary>
    public const string TaskHelp = "what the model's head learns; a head of another task than the model's is new";

    /// <summary>Help text of --fields.</summary>
    public const string FieldsHelp = "new names of columns; without a name the column is dropped";

    /// <summary>Help text of --label-names.</summary>
    public const string LabelNamesHelp = "names of the labels or tags in the data";

    /// <summary>Help text of --label-spaces.</summary>
    public const string LabelSpacesHelp = "turn underscores in labels into spaces, so that a model writes words";

    /// <summary>The placeholder of --fields in --help.</summary>
    public const string FieldsValue = "\"Tweet text=text,ID=\"";

    /// <summary>The placeholder of --label-names in --help.</summary>
    public const string LabelNamesValue = "\"0=no,1=yes\"";

    public bool SkipBad { get; init; }

    /// <summary>Help text of --skip-bad.</summary>
    public const string SkipBadHelp = "count files that cannot be read and leave them out; otherwise the first is an error";

    public string? Language { get; init; }

    /// <summary>Help text of --language.</summary>
    public const string LanguageHelp = "the language of recordings, such as en, for models with several";

    public ulong Seed { get; init; } = new TrainerOptions().Seed;

    public string Device { get; init; } = "cpu";

    public int Threads { get; init; }
}

/// <summary>The settings of <see cref="SequenceOptions"/>.</summary>
internal static class SequenceRows
{
    /// <summary>Adds the model's settings, which --help shows first.</summary>
    public static SettingRows<T> Model<T>(this SettingRows<T> rows)
        where T : SequenceOptions => rows
        .Group(HelpGroups.Input)
        .Text("model", o => o.Model, (o, v) => o with { Model = v }, "directory of the base model", value: "DIR",
            aliases: ["model-name-or-path"]);

    /// <summary>Adds the shared settings, which --help shows after a verb's own.</summary>
    public static SettingRows<T> Sequence<T>(this SettingRows<T> rows)
        where T : SequenceOptions => rows
        .Group(HelpGroups.Input)
        .Whole("resize-token-embeddings", o => o.ResizeTokenEmbeddings, (o, v) => o with { ResizeTokenEmbeddings = v },
            SequenceOptions.ResizeHelp, min: 1, fallback: "as the model has them")
        .Group(HelpGroups.Training)
        .Whole("batch-size", o => o.BatchSize, (o, v) => o with { BatchSize = v }, "sequences a step takes at once", min: 1,
            aliases: ["per-device-train-batch-size"])
        .Group(HelpGroups.Input)
        .Whole("max-seq-length", o => o.MaxSeqLength, (o, v) => o with { MaxSeqLength = v }, "longest sequence, in tokens", min: 1,
            fallback: "the model's limit, at most 1024")
        .Whole("max-target-length", o => o.MaxTargetLength, (o, v) => o with { MaxTargetLength = v }, SequenceOptions.TargetLengthHelp,
            min: 2, fallback: "that of the longest label; without labels --max-seq-length")
        .Bool("mask-prompt", o => o.MaskPrompt, (o, v) => o with { MaskPrompt = v }, "learn from answers only, not from prompts")
        .Text("chat-template", o => o.ChatTemplate, (o, v) => o with { ChatTemplate = v },
            "how conversations become text, instead of the model's own template", value: NamedTemplate.Value)
        .Text("fields", o => o.Fields, (o, v) => o with { Fields = v }, SequenceOptions.FieldsHelp, value: SequenceOptions.FieldsValue,
            isList: true)
        .Text("label-names", o => o.LabelNames, (o, v) => o with { LabelNames = v }, SequenceOptions.LabelNamesHelp,
            value: SequenceOptions.LabelNamesValue, isList: true)
        .Bool("label-spaces", o => o.LabelSpaces, (o, v) => o with { LabelSpaces = v }, SequenceOptions.LabelSpacesHelp)
        .Bool("skip-bad", o => o.SkipBad, (o, v) => o with { SkipBad = v }, SequenceOptions.SkipBadHelp)
        .Text("language", o => o.Language, (o, v) => o with { Language = v }, SequenceOptions.LanguageHelp, value: "CODE")
        .Group(HelpGroups.Training)
        .Seed(o => o.Seed, (o, v) => o with { Seed = v }, "seed of every random choice")
        .Group(HelpGroups.Device)
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Whole("threads", o => o.Threads, (o, v) => o with { Threads = v }, "CPU threads", min: 0, fallback: "all cores");
}

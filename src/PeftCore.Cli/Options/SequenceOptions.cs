using PeftCore.Cli.Session;

namespace PeftCore.Cli.Options;

/// <summary>What every verb takes that runs a model over data in batches.</summary>
internal record SequenceOptions : VerbOptions
{
    [Setting("directory of the base model", Value = "DIR", Aliases = ["model-name-or-path"])]
    public string? Model { get; init; }

    [Setting(ResizeHelp, Min = 1, Default = "as the model has them")]
    public int? ResizeTokenEmbeddings { get; init; }

    /// <summary>What --help says of the option that all verbs with a model have.</summary>
    public const string ResizeHelp = "rows of the token tables, as after adding tokens; new rows are the mean of the others";

    [Setting("sequences a step takes at once", Min = 1, Aliases = ["per-device-train-batch-size"])]
    public int BatchSize { get; init; } = 8;

    [Setting("longest sequence, in tokens", Min = 1, Default = "the model's limit, at most 1024")]
    public int? MaxSeqLength { get; init; }

    [Setting("learn from answers only, not from prompts")]
    public bool MaskPrompt { get; init; } = true;

    [Setting("how conversations become text, instead of the model's own template", Value = NamedTemplate.Value)]
    public string? ChatTemplate { get; init; }

    [Setting("seed of every random choice")]
    public ulong Seed { get; init; } = 42;

    [Setting("where to compute", Choices = ["cpu", "cuda", "ilgpu-cpu"])]
    public string Device { get; init; } = "cpu";

    [Setting("CPU threads", Min = 0, Default = "all cores")]
    public int Threads { get; init; }
}

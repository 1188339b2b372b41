namespace PeftCore.Cli.Options;

/// <summary>What compare takes.</summary>
internal sealed record CompareOptions
{
    private const string Everywhere = "[target_modules=all-linear]";

    /// <summary>Methods that fit any model, in the order of their families.</summary>
    private const string Usual = $"lora{Everywhere},dora{Everywhere},pissa{Everywhere},vera{Everywhere},loha{Everywhere},lokr{Everywhere},oft{Everywhere},hra{Everywhere},shira{Everywhere},"
        + $"randlora{Everywhere},miss{Everywhere},ia3,prompt_tuning,p_tuning,prefix_tuning,seq_bn,double_seq_bn,par_bn,last_layers,head,ln_tuning,sparse";

    [Setting("directory of the base model", Value = "DIR", Aliases = ["model-name-or-path"])]
    public string? Model { get; init; }

    [Setting("data to train and evaluate on: a directory with train and valid files", Value = "DIR")]
    public string? Data { get; init; }

    [Setting("where the table, the plot and the adapters go", Value = "DIR")]
    public string? OutputDir { get; init; }

    [Setting("the methods, with fields of their configuration in brackets", Value = "a,b[x=1]")]
    public string Methods { get; init; } = Usual;

    [Setting("learning rates every method is tried with; the best on held-out data counts", Value = "1e-3,1e-2")]
    public string LearningRates { get; init; } = "5e-3,2e-2,1e-1";

    [Setting("steps of every run", Min = 1)]
    public int MaxSteps { get; init; } = 60;

    [Setting("text like what the base was trained on, to see what is forgotten", Value = "FILE", Default = "what the base writes by itself")]
    public string? BaseText { get; init; }

    [Setting("sequences a step takes at once", Min = 1)]
    public int BatchSize { get; init; } = 8;

    [Setting("longest sequence, in tokens", Min = 1, Default = "the model's limit, at most 1024")]
    public int? MaxSeqLength { get; init; }

    [Setting("learn from answers only, not from prompts")]
    public bool MaskPrompt { get; init; } = true;

    [Setting("seed of every random choice")]
    public ulong Seed { get; init; } = 42;

    [Setting("where to compute", Choices = ["cpu", "cuda", "ilgpu-cpu"])]
    public string Device { get; init; } = "cpu";

    [Setting("CPU threads", Min = 0, Default = "all cores")]
    public int Threads { get; init; }

    /// <summary>The same as training takes it.</summary>
    public TrainOptions ForTraining => new() { Model = Model, Data = Data, BatchSize = BatchSize, MaxSeqLength = MaxSeqLength, MaskPrompt = MaskPrompt, Seed = Seed };
}

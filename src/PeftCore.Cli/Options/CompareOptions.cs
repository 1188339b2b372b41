namespace PeftCore.Cli.Options;

/// <summary>What compare takes.</summary>
internal sealed record CompareOptions : SequenceOptions
{
    private const string Everywhere = "[target_modules=all-linear]";

    /// <summary>Methods that fit any model, in the order of their families.</summary>
    private const string Usual =
        $"lora{Everywhere},dora{Everywhere},pissa{Everywhere},vera{Everywhere},loha{Everywhere},lokr{Everywhere},oft{Everywhere},hra{Everywhere},shira{Everywhere},"
        + $"randlora{Everywhere},miss{Everywhere},ia3,prompt_tuning,p_tuning,prefix_tuning,seq_bn,double_seq_bn,par_bn,last_layers,head,ln_tuning,sparse";

    [Setting("data to train and evaluate on: a directory with train and valid files", Value = "DIR")]
    public string? Data { get; init; }

    [Setting("where the table, the plot and the adapters go", Value = "DIR")]
    public string? OutputDir { get; init; }

    [Setting("the methods, with fields of their configuration in brackets", Value = "a,b[x=1]", IsList = true)]
    public string Methods { get; init; } = Usual;

    [Setting("learning rates every method is tried with; the best on held-out data counts", Value = "1e-3,1e-2", IsList = true)]
    public string LearningRates { get; init; } = "5e-3,2e-2,1e-1";

    [Setting("steps of every run", Min = 1)]
    public int MaxSteps { get; init; } = 60;

    [Setting("text like what the base was trained on, to see what is forgotten", Value = "FILE",
        Default = "what the base writes by itself")]
    public string? BaseText { get; init; }
}

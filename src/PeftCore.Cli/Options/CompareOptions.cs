using PeftCore.Cli.Session;

namespace PeftCore.Cli.Options;

/// <summary>Settings of compare.</summary>
internal sealed record CompareOptions : SequenceOptions, ISettings<CompareOptions>
{
    private const string Everywhere = "[target_modules=all-linear]";

    /// <summary>The default methods: those that work on any model, grouped by family of methods.</summary>
    private const string Usual =
        $"lora{Everywhere},dora{Everywhere},pissa{Everywhere},vera{Everywhere},loha{Everywhere},lokr{Everywhere},"
        + $"oft{Everywhere},hra{Everywhere},shira{Everywhere},randlora{Everywhere},miss{Everywhere},ia3,"
        + "prompt_tuning,p_tuning,prefix_tuning,seq_bn,double_seq_bn,par_bn,last_layers,head,ln_tuning,sparse";

    public static SettingRows<CompareOptions> Rows { get; } = new SettingRows<CompareOptions>(() => new())
        .Model()
        .Text("data", o => o.Data, (o, v) => o with { Data = v }, "data to train and evaluate on: a directory with train and valid files",
            value: "DIR")
        .Text("output-dir", o => o.OutputDir, (o, v) => o with { OutputDir = v }, "where the table, the plot and the adapters go",
            value: "DIR")
        .Text("task", o => o.Task, (o, v) => o with { Task = v }, SequenceOptions.TaskHelp, choices: [.. TaskNames.All],
            fallback: "that of the model's architecture")
        .Group(HelpGroups.Method)
        .Text("methods", o => o.Methods, (o, v) => o with { Methods = v }, "the methods, with fields of their configuration in brackets",
            value: "a,b[x=1]", isList: true)
        .Text("learning-rates", o => o.LearningRates, (o, v) => o with { LearningRates = v },
            "learning rates every method is tried with; the best on held-out data counts", value: "1e-3,1e-2", isList: true)
        .Whole("max-steps", o => o.MaxSteps, (o, v) => o with { MaxSteps = v }, "steps of every run", min: 1)
        .Group(HelpGroups.Input)
        .Text("base-text", o => o.BaseText, (o, v) => o with { BaseText = v },
            "text like what the base was trained on, to see what is forgotten", value: "FILE", fallback: "what the base writes by itself")
        .Quantized()
        .Sequence();

    public string? Data { get; init; }

    public string? OutputDir { get; init; }

    public string Methods { get; init; } = Usual;

    public string LearningRates { get; init; } = "5e-3,2e-2,1e-1";

    public int MaxSteps { get; init; } = 60;

    public string? BaseText { get; init; }

    public string? Task { get; init; }
}

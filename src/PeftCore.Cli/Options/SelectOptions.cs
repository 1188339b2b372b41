using PeftCore.Peft.Sparse;

namespace PeftCore.Cli.Options;

/// <summary>Settings of select.</summary>
internal sealed record SelectOptions : SequenceOptions, ISettings<SelectOptions>
{
    public static SettingRows<SelectOptions> Rows { get; } = new SettingRows<SelectOptions>(() => new())
        .Model()
        .Text("data", o => o.Data, (o, v) => o with { Data = v }, "data that gradients are taken over; magnitude and random need none",
            value: "FILE|DIR")
        .Text("output-dir", o => o.OutputDir, (o, v) => o with { OutputDir = v }, "where scores, mask and report go", value: "DIR")
        .Group(HelpGroups.Method)
        .Choice("criterion", o => o.Criterion, (o, v) => o with { Criterion = v }, "what entries are chosen by")
        .Number("density", o => o.Density, (o, v) => o with { Density = v }, "share of the entries to choose", min: 0, max: 1)
        .Number("threshold", o => o.Threshold, (o, v) => o with { Threshold = v }, "choose every entry with at least this score instead",
            fallback: "none")
        .Choice("scope", o => o.Scope, (o, v) => o with { Scope = v }, "whether entries compete with all or within their tensor")
        .Text("target-modules", o => o.TargetModules, (o, v) => o with { TargetModules = v },
            "layers to choose from: names with commas between, a regular expression, or all-linear", value: "a,b|all-linear",
            isList: true)
        .Whole("batches", o => o.Batches, (o, v) => o with { Batches = v }, "batches that gradients are taken over", min: 1)
        .Sequence();

    public string? Data { get; init; }

    public string? OutputDir { get; init; }

    public SelectionCriterion Criterion { get; init; } = SelectionCriterion.Gradient;

    public double Density { get; init; } = 0.01;

    public double? Threshold { get; init; }

    public SelectionScope Scope { get; init; }

    public string TargetModules { get; init; } = "all-linear";

    public int Batches { get; init; } = UsualBatches.OfSelection;
}

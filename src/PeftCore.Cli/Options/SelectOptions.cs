using PeftCore.Peft.Sparse;

namespace PeftCore.Cli.Options;

/// <summary>What select takes.</summary>
internal sealed record SelectOptions : SequenceOptions
{
    [Setting("data that gradients are taken over; magnitude and random need none", Value = "FILE|DIR")]
    public string? Data { get; init; }

    [Setting("where scores, mask and report go", Value = "DIR")]
    public string? OutputDir { get; init; }

    [Setting("what entries are chosen by")]
    public SelectionCriterion Criterion { get; init; } = SelectionCriterion.Gradient;

    [Setting("share of the entries to choose", Min = 0, Max = 1)]
    public double Density { get; init; } = 0.01;

    [Setting("choose every entry with at least this score instead", Default = "none")]
    public double? Threshold { get; init; }

    [Setting("whether entries compete with all or within their tensor")]
    public SelectionScope Scope { get; init; }

    [Setting("layers to choose from: names with commas between, a regular expression, or all-linear", Value = "a,b|all-linear",
        IsList = true)]
    public string TargetModules { get; init; } = "all-linear";

    [Setting("batches that gradients are taken over", Min = 1)]
    public int Batches { get; init; } = Training.WeightSelection.UsualBatches;
}

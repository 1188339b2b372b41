using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Peft.Sparse;

/// <summary>What makes an entry of a weight worth training.</summary>
public enum SelectionCriterion
{
    /// <summary>|w|.</summary>
    Magnitude,

    /// <summary>|g|, the gradient over some data: where the loss falls fastest.</summary>
    Gradient,

    /// <summary>Σ g² over batches, the diagonal of the empirical Fisher information (Sung et al. 2021, FISH mask).</summary>
    Fisher,

    /// <summary>|w·g|, what the loss would lose without the entry (Lee et al. 2019, SNIP).</summary>
    Snip,

    /// <summary>−w·g: entries that a step moves away from zero (Sanh et al. 2020, movement pruning).</summary>
    Movement,

    /// <summary>Drawn at random, to compare with.</summary>
    Random,
}

/// <summary>Hyperparameters of training chosen entries of the base's weights: W + S with a sparse S (Ansell et al. 2022; Sung et al. 2021).
/// Storage, gradients and the optimizer's moments exist for the chosen entries alone.</summary>
public sealed record SparseConfig : TargetedConfig
{
    /// <summary>One entry in a hundred, by gradient.</summary>
    public SparseConfig()
    {
    }

    private SparseConfig(ConfigReader config) : base(config)
    {
        Density = config.Float("density", 0.01, min: 0, max: 1);
        Threshold = config.FloatOrNull("threshold");
        Criterion = Enum.Parse<SelectionCriterion>(config.Choice("criterion", "gradient",
            [.. Enum.GetNames<SelectionCriterion>().Select(name => name.ToLowerInvariant())]), ignoreCase: true);
        Scope = config.Choice("scope", "global", "global", "tensor") == "tensor" ? SelectionScope.Tensor : SelectionScope.Global;
        RefineEvery = config.Int("refine_every", 0, min: 0);
        RefineFraction = config.Float("refine_fraction", 0.3, min: 0, max: 1);
        RefineUntil = config.IntOrNull("refine_until", min: 1);
        MaskPath = config.StringOrNull("mask");
        EntryCount = (long?)config.FloatOrNull("num_entries", min: 1, max: 1L << 53);
    }

    /// <inheritdoc/>
    public override string PeftType => "SPARSE";

    /// <summary>Share of the entries of the targets that trains.</summary>
    public double Density { get; init; } = 0.01;

    /// <summary>Every entry with at least this score instead; null to choose by share.</summary>
    public double? Threshold { get; init; }

    /// <summary>What entries are chosen by. All but magnitude and chance need data: see Training.WeightSelection.</summary>
    public SelectionCriterion Criterion { get; init; } = SelectionCriterion.Gradient;

    /// <summary>Who competes.</summary>
    public SelectionScope Scope { get; init; }

    /// <summary>Steps between rounds that drop the entries that moved least and train others with the largest gradients (Evci et al. 2020,
    /// RigL); 0 for none.</summary>
    public int RefineEvery { get; init; }

    /// <summary>Share of the entries that a round replaces.</summary>
    public double RefineFraction { get; init; } = 0.3;

    /// <summary>The last step with a round; null for no end.</summary>
    public int? RefineUntil { get; init; }

    /// <summary>A file with the entries, as <see cref="SparseMask.Save"/> or peftcore select writes it.</summary>
    public string? MaskPath { get; init; }

    /// <summary>The entries; null to read or choose them. They are saved with the values, not with the configuration.</summary>
    public SparseMask? Mask { get; init; }

    /// <summary>How many entries a saved adapter has.</summary>
    internal long? EntryCount { get; init; }

    internal EntryBudget Budget => new(Density, Threshold, Scope);

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers;

    /// <summary>Whether the entries are still to be chosen, and data are needed for it.</summary>
    internal bool NeedsData =>
        Mask is null && MaskPath is null && Criterion is not (SelectionCriterion.Magnitude or SelectionCriterion.Random);

    internal static SparseConfig Read(ConfigReader config) => new(config);

    /// <summary>In a round the gradient of the whole weight is looked at.</summary>
    internal override bool SupportsGraphCapture => RefineEvery == 0;

    internal override void WriteOwn(JsonObject json)
    {
        json["density"] = Float(Density);
        json["threshold"] = Threshold is { } threshold ? Float(threshold) : null;
        json["criterion"] = Criterion.ToString().ToLowerInvariant();
        json["scope"] = Scope.ToString().ToLowerInvariant();
        json["refine_every"] = RefineEvery;
        json["refine_fraction"] = Float(RefineFraction);
        json["refine_until"] = RefineUntil;
        json["mask"] = MaskPath;
        json["num_entries"] = EntryCount;
    }

    internal override Adapter Attach(AttachContext context)
    {
        if (RefineFraction is not (>= 0 and < 1) || RefineEvery < 0)
        {
            throw new BadInputException(
                $"refine_fraction is {RefineFraction} and refine_every {RefineEvery}; the first must be at least 0 and below 1, the " +
                "second at least 0");
        }
        var resolved = this with { TargetModules = TargetModules ?? ModuleSelector.Matching(ModuleSelector.AllLinear), Mask = null };
        var linears = new TargetedLayers(context, resolved).Linears;
        var mask = context.IsNew ? MaskFor(context, linears) : null;
        var chosen = linears.Select(target => (target.Path, target.Layer, Entries: mask?.Entries(target.Path)
            ?? SparseFiles.StoredEntries(context, target.Path, target.Layer))).ToList();
        long count = chosen.Sum(target => (long)target.Entries.Length);
        Check(chosen, mask, count);
        var targets = new TargetedLayers(context, resolved with { EntryCount = count });
        var adapter = targets.NewAdapter();
        var layers = chosen.Where(target => target.Entries.Length > 0)
            .Select(target => (target.Path, Adapter: new SparseAdapter(context, target.Path, target.Layer, target.Entries))).ToList();
        layers.ForEach(layer => adapter.Layers.Add((layer.Path, layer.Adapter)));
        targets.Finish(adapter);
        if (RefineEvery > 0)
        {
            new SparseRefinement(this, [.. layers.Select(layer => layer.Adapter)]).Attach(adapter);
        }
        return adapter;
    }

    private SparseMask MaskFor(AttachContext context, IReadOnlyList<(string Path, Linear Layer)> targets)
    {
        if ((Mask ?? (MaskPath is null ? null : SparseMask.Load(MaskPath))) is { } given)
        {
            return given;
        }
        if (NeedsData && !context.Backend.IsMeta)
        {
            throw new BadInputException(
                $"criterion is {Criterion.ToString().ToLowerInvariant()}, which needs data: choose the entries first, with " +
                "Training.WeightSelection or peftcore select, and give the mask");
        }
        // Without values every tensor gets its share, which is what a plan can know.
        bool byChance = Criterion == SelectionCriterion.Random || context.Backend.IsMeta;
        var scores = targets.Select((target, number) => KeyValuePair.Create(target.Path, byChance
            ? RandomScores(context.Seed, (ulong)number, target.Layer.Weight.Shape.Count)
            : Array.ConvertAll(target.Layer.Weight.Value.ToFloats(), Math.Abs))).ToList();
        return TopKSelection.Choose(scores, context.Backend.IsMeta ? Budget with { Threshold = null } : Budget);
    }

    internal static float[] RandomScores(ulong seed, ulong stream, long count) =>
        [.. Enumerable.Range(0, (int)count).Select(i => Philox.Uniform(seed, stream, (ulong)i))];

    private void Check(List<(string Path, Linear Layer, int[] Entries)> chosen, SparseMask? mask, long count)
    {
        if (mask?.Paths.FirstOrDefault(path => !chosen.Exists(target => target.Path == path)) is { } stranger)
        {
            throw new BadInputException(
                $"the mask has entries of \"{stranger}\", which is not one of the target modules; choose them for this model and these " +
                "targets");
        }
        if (chosen.Find(target => target.Entries.Length > 0 && target.Entries[^1] >= target.Layer.Weight.Shape.Count) is { Path: { } path })
        {
            throw new BadInputException($"the mask has entries beyond the end of \"{path}\"; it was made for another model");
        }
        if (count == 0 || (mask is null && EntryCount is { } expected && expected != count))
        {
            throw new BadInputException($"num_entries is {EntryCount}, but the weight file has {count}; they do not belong together");
        }
    }
}

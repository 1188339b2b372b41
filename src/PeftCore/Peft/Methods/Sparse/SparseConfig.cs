using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Peft.Sparse;

/// <summary>The score by which entries of a weight are chosen.</summary>
public enum SelectionCriterion
{
    /// <summary>|w|.</summary>
    Magnitude,

    /// <summary>|g|, the gradient over some batches: entries along which the loss falls fastest.</summary>
    Gradient,

    /// <summary>Σ g² over batches, the diagonal of the empirical Fisher information (Sung et al. 2021, FISH mask).</summary>
    Fisher,

    /// <summary>|w·g|, a first-order estimate of the change of the loss without the entry (Lee et al. 2019, SNIP).</summary>
    Snip,

    /// <summary>−w·g: entries that a step moves away from zero (Sanh et al. 2020, movement pruning).</summary>
    Movement,

    /// <summary>Random, as a baseline.</summary>
    Random,
}

/// <summary>Hyperparameters of training chosen entries of the base's weights: W + S with a sparse S (Ansell et al. 2022; Sung et al. 2021).
/// Parameters, gradients and the optimizer's moments exist only for the chosen entries.</summary>
public sealed record SparseConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<SparseConfig> Fields { get; } = new ConfigFields<SparseConfig>(new())
        .Targets(exclude: true, layers: true)
        .Float("density", c => c.Density, (c, v) => c with { Density = v }, "Share of the targets' entries that trains.", min: 0, max: 1)
        .FloatOrNull("threshold", c => c.Threshold, (c, v) => c with { Threshold = v },
            "Train every entry with at least this score instead of a share.")
        .Choice("criterion", c => c.Criterion, (c, v) => c with { Criterion = v },
            "Score that entries are chosen by; all but magnitude and random need data.",
            ("magnitude", SelectionCriterion.Magnitude), ("gradient", SelectionCriterion.Gradient), ("fisher", SelectionCriterion.Fisher),
            ("snip", SelectionCriterion.Snip), ("movement", SelectionCriterion.Movement), ("random", SelectionCriterion.Random))
        .Choice("scope", c => c.Scope, (c, v) => c with { Scope = v },
            "Whether entries compete with all others or with those of their own tensor.",
            ("global", SelectionScope.Global), ("tensor", SelectionScope.Tensor))
        .Int("refine_every", c => c.RefineEvery, (c, v) => c with { RefineEvery = v },
            "Steps between rounds that replace the entries that moved least by those with the largest gradients (RigL); 0 for none.",
            min: 0)
        .Fraction("refine_fraction", c => c.RefineFraction, (c, v) => c with { RefineFraction = v },
            "Share of the entries that a round replaces.")
        .IntOrNull("refine_until", c => c.RefineUntil, (c, v) => c with { RefineUntil = v }, "Last step with a round; null for no end.",
            min: 1)
        .Text("mask", c => c.MaskPath, (c, v) => c with { MaskPath = v }, "File with the entries, as peftcore select writes it.")
        .Add(new("num_entries", "integer ≥ 1 or null", "Number of entries that the saved adapter has.",
            (c, reader) => c with { EntryCount = (long?)reader.FloatOrNull("num_entries", min: 1, max: 1L << 53) }, c => c.EntryCount));

    /// <summary>Share of the entries of the targets that trains.</summary>
    public double Density { get; init; } = 0.01;

    /// <summary>Trains every entry with at least this score instead; null to choose by <see cref="Density"/>.</summary>
    public double? Threshold { get; init; }

    /// <summary>The score by which entries are chosen. All but magnitude and random need data: see Training.WeightSelection.</summary>
    public SelectionCriterion Criterion { get; init; } = SelectionCriterion.Gradient;

    /// <summary>Whether the entries of all targets are ranked together or those of each tensor alone.</summary>
    public SelectionScope Scope { get; init; }

    /// <summary>Steps between refinement rounds, which drop the entries with the smallest change and add those with the largest gradients
    /// (Evci et al. 2020, RigL); 0 for none.</summary>
    public int RefineEvery { get; init; }

    /// <summary>Fraction of the entries that a round replaces.</summary>
    internal double RefineFraction { get; init; } = 0.3;

    /// <summary>The last step with a round; null for no end.</summary>
    internal int? RefineUntil { get; init; }

    /// <summary>A file with the chosen entries, as <see cref="SparseMask.Save"/> or peftcore select writes it.</summary>
    public string? MaskPath { get; init; }

    /// <summary>The chosen entries; null to read or choose them. They are saved with the values, not with the configuration.</summary>
    public SparseMask? Mask { get; init; }

    /// <summary>Number of entries of a saved adapter.</summary>
    internal long? EntryCount { get; init; }

    internal EntryBudget Budget => new(Density, Threshold, Scope);

    /// <summary>Whether the entries are not chosen yet and the criterion needs data.</summary>
    internal bool NeedsData =>
        Mask is null && MaskPath is null && Criterion is not (SelectionCriterion.Magnitude or SelectionCriterion.Random);

    /// <summary>False with refinement: a round reads the gradient of the whole weight.</summary>
    internal override bool SupportsGraphCapture => RefineEvery == 0;

    internal override Adapter AttachTo(AttachContext context)
    {
        var resolved = this with { TargetModules = TargetModules ?? ModuleSelector.Matching(ModuleSelector.AllLinear), Mask = null };
        var linears = new TargetedLayers(context, resolved).Linears;
        foreach (var (path, layer) in linears)
        {
            SparseMask.RefuseTooLarge(path, layer);
        }
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
        // The meta backend has no values to rank: every tensor gets the same density.
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

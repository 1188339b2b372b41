using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft.AdaLora;

/// <summary>Hyperparameters of AdaLoRA (Zhang et al. 2023). Defaults are Hugging Face's.</summary>
public sealed record AdaLoraConfig : TargetedConfig
{
    private const string NotHere = "Option of LoRA that AdaLoRA does not have.";
    private const string Refusal = "is an option of LoRA that AdaLoRA does not have";

    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<AdaLoraConfig> Fields { get; } = new ConfigFields<AdaLoraConfig>(new())
        .Variants()
        .Fixed("target_parameters", null, NotHere, given => FieldKinds.IsOn(given)
            && (given.ValueKind != System.Text.Json.JsonValueKind.Array || given.GetArrayLength() > 0), Refusal)
        .Fixed("use_dora", false, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("use_rslora", false, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("lora_bias", false, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("trainable_token_indices", null, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("corda_config", null, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("lora_ga_config", null, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("eva_config", null, NotHere, FieldKinds.IsOn, Refusal)
        .Fixed("loftq_config", new JsonObject(), NotHere, given => FieldKinds.IsOn(given)
            && (given.ValueKind != System.Text.Json.JsonValueKind.Object || given.GetPropertyCount() > 0), Refusal)
        .Start("init_lora_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start E at zero, so that the adapter starts as the identity; otherwise at random.", ("true", true), ("false", false))
        .Targets(bias: "lora_only", exclude: true, layers: true, fanInFanOut: true)
        .Bool("ensure_weight_tying", c => c.EnsureWeightTying, (c, v) => c with { EnsureWeightTying = v },
            "Refuse an adapter that would part embedding and output head where the base ties them.")
        .Int("init_r", c => c.InitialRank, (c, v) => c with { InitialRank = v }, "Rank of each layer at the beginning; a new adapter " +
            "needs at least 1.", min: 0)
        .Int("target_r", c => c.TargetRank, (c, v) => c with { TargetRank = v }, "Mean rank of the layers at the end.", min: 0)
        .Number("lora_alpha", c => c.Alpha, (c, v) => c with { Alpha = v }, "α; the update is scaled by α/init_r.")
        .Fraction("lora_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the input of A.")
        .Int("tinit", c => c.InitialSteps, (c, v) => c with { InitialSteps = v }, "Steps before ranks begin to go down.", min: 0)
        .Int("tfinal", c => c.FinalSteps, (c, v) => c with { FinalSteps = v }, "Steps at the end in which ranks stay.", min: 0)
        .Int("deltaT", c => c.Interval, (c, v) => c with { Interval = v }, "Steps between two allocations of ranks.", min: 1)
        .Float("beta1", c => c.Beta1, (c, v) => c with { Beta1 = v },
            "β₁, decay of the moving average of sensitivities; above 0 and below 1.")
        .Float("beta2", c => c.Beta2, (c, v) => c with { Beta2 = v },
            "β₂, decay of the moving average of their uncertainty; above 0 and below 1.")
        .Float("orth_reg_weight", c => c.OrthogonalWeight, (c, v) => c with { OrthogonalWeight = v },
            "γ, weight of the regularisation that keeps A and B orthogonal.", min: 0)
        .IntOrNull("total_step", c => c.TotalSteps, (c, v) => c with { TotalSteps = v },
            "Steps of the whole training, which the schedule of ranks needs.", min: 1)
        .Add(new("rank_pattern", "object of lists of true and false, or null", "Directions of each layer that are kept; saved by training.",
            (c, reader) => c with { RankPattern = ReadRankPattern(reader) },
            c => c.RankPattern is null ? null : FieldKinds.ToJson(c.RankPattern,
                kept => new JsonArray([.. kept.Select(flag => JsonValue.Create(flag))]))))
        .Int("r", c => c.UnusedRank, (c, v) => c with { UnusedRank = v }, "LoRA's rank, which AdaLoRA does not use; kept for the file.")
        .Add(new("alpha_pattern", "ignored", "LoRA's α of single layers, which AdaLoRA does not have.",
            (c, reader) => c with { NamesAlphas = reader.ObjectOrNull("alpha_pattern")?.Names.Any() ?? false }, _ => new JsonObject()));

    /// <summary>Rank of each layer at the beginning.</summary>
    public int InitialRank { get; init; } = 12;

    /// <summary>Mean rank of the layers at the end of training.</summary>
    public int TargetRank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/<see cref="InitialRank"/>.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout probability of the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Steps of the initial phase, before ranks begin to decrease (t_i in the paper).</summary>
    public int InitialSteps { get; init; }

    /// <summary>Steps of the final phase, in which ranks are constant (t_f in the paper).</summary>
    public int FinalSteps { get; init; }

    /// <summary>Steps between two allocations of ranks (Δ_T in the paper).</summary>
    internal int Interval { get; init; } = 1;

    /// <summary>β₁, decay of the running mean of a weight's sensitivity; between 0 and 1, both excluded.</summary>
    internal double Beta1 { get; init; } = 0.85;

    /// <summary>β₂, decay of the running mean of a weight's uncertainty; between 0 and 1, both excluded.</summary>
    internal double Beta2 { get; init; } = 0.85;

    /// <summary>γ, weight of the regularisation that keeps A and B orthogonal.</summary>
    internal double OrthogonalWeight { get; init; } = 0.5;

    /// <summary>Number of training steps, which the rank schedule depends on; null if unknown.</summary>
    public int? TotalSteps { get; init; }

    /// <summary>Whether E starts at zero, so that the adapter starts as the identity.</summary>
    internal bool InitWeights { get; init; } = true;

    /// <summary>Per layer, by the path of its E: true for each direction that is not pruned. Null before the first allocation.</summary>
    internal IReadOnlyDictionary<string, IReadOnlyList<bool>>? RankPattern { get; init; }

    /// <summary>LoRA's rank, which AdaLoRA does not use; kept for the file.</summary>
    internal int UnusedRank { get; init; } = 8;

    /// <summary>Whether the adapter must change embedding and head alike if the base ties them. One that cannot is refused.</summary>
    internal bool EnsureWeightTying { get; init; }

    /// <summary>Whether the file has an alpha_pattern, which AdaLoRA does not support.</summary>
    internal bool NamesAlphas { get; init; }

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        Check(context.IsNew);
        if (NamesAlphas)
        {
            context.Warnings?.Add($"{context.Place}: alpha_pattern is ignored: AdaLoRA has one lora_alpha, here as in Hugging Face PEFT");
        }
        if (!context.IsNew && ScheduleProblem is { } problem)
        {
            context.Warnings?.Add($"{context.Place}: {problem}; it matters only if the adapter trains further");
        }
        var adapter = new TargetedLayers(context, this).Attach((path, layer, site) => new AdaLoraAdapter(context, this, path, layer, site));
        if (EnsureWeightTying)
        {
            WeightTying.RefuseIfChanged(context, adapter);
        }
        var allocator = new RankAllocator(adapter);
        // Hugging Face PEFT calls the base directly if the adapter names no task, so its loss has no penalty then.
        adapter.Penalty = context.LikeReference && TaskType is null ? null : allocator.Penalty;
        adapter.AfterStep = allocator.AfterStep;
        adapter.State = allocator.State;
        return adapter;
    }

    private string? ScheduleProblem => TotalSteps is { } total && InitialSteps >= total - FinalSteps
        ? $"tinit {InitialSteps} and tfinal {FinalSteps} leave none of {total} steps for ranks to go down; lower them or raise total_step"
        : null;

    private void Check(bool isNew)
    {
        string? problem = this switch
        {
            { InitialRank: < 1 } when isNew => $"init_r is {InitialRank}; it must be at least 1",
            { TotalSteps: null } when isNew => "AdaLoRA needs total_step, the steps of the whole training, to know when ranks go down",
            _ when isNew && ScheduleProblem is { } schedule => schedule,
            { Beta1: <= 0 or >= 1 } or { Beta2: <= 0 or >= 1 } => $"beta1 is {Beta1} and beta2 {Beta2}; both must be between 0 and 1",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException(problem);
        }
    }

    private static Dictionary<string, IReadOnlyList<bool>>? ReadRankPattern(ConfigReader reader) =>
        reader.ObjectOrNull("rank_pattern") is { } pattern
            ? pattern.Names.ToDictionary(name => name, name => Flags(pattern, name), StringComparer.Ordinal) : null;

    private static IReadOnlyList<bool> Flags(ConfigReader pattern, string name) =>
        pattern.Raw(name) is { ValueKind: System.Text.Json.JsonValueKind.Array } list && list.EnumerateArray()
        .All(flag => flag.ValueKind is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False)
            ? [.. list.EnumerateArray().Select(flag => flag.GetBoolean())]
            : throw pattern.Error(name, "must be a list of true and false");
}

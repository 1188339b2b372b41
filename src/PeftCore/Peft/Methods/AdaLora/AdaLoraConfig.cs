using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft.AdaLora;

/// <summary>Hyperparameters of AdaLoRA (Zhang et al. 2023). Defaults are Hugging Face's.</summary>
public sealed record AdaLoraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public AdaLoraConfig()
    {
    }

    private AdaLoraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "ADALORA";

    /// <summary>Rank of each layer at the beginning.</summary>
    public int InitialRank { get; init; } = 12;

    /// <summary>Mean rank of the layers at the end.</summary>
    public int TargetRank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r with the initial rank.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout on the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Steps before ranks begin to go down.</summary>
    public int InitialSteps { get; init; }

    /// <summary>Steps at the end in which ranks stay.</summary>
    public int FinalSteps { get; init; }

    /// <summary>Steps between two allocations.</summary>
    public int Interval { get; init; } = 1;

    /// <summary>β₁, how slowly the sensitivity of a weight is averaged.</summary>
    public double Beta1 { get; init; } = 0.85;

    /// <summary>β₂, how slowly its uncertainty is averaged.</summary>
    public double Beta2 { get; init; } = 0.85;

    /// <summary>γ, weight of the regularisation that keeps A and B orthogonal.</summary>
    public double OrthogonalWeight { get; init; } = 0.5;

    /// <summary>Steps of the whole training; the schedule needs them.</summary>
    public int? TotalSteps { get; init; }

    /// <summary>Whether E starts at zero, so that the adapter starts as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    /// <summary>Which directions of each layer are kept, by the path of its E; null before the first allocation.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<bool>>? RankPattern { get; init; }

    /// <summary>Of LoRA, not used here; kept for the file.</summary>
    internal int UnusedRank { get; init; } = 8;

    /// <summary>Whether embedding and head shall stay one where the base ties them.</summary>
    internal bool EnsureWeightTying { get; init; }

    /// <summary>Whether the file names alphas for some layers, which AdaLoRA does not have.</summary>
    internal bool NamesAlphas { get; init; }

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "lora_only";

    internal override bool StartsAsBase => InitWeights;

    internal static AdaLoraConfig Read(ConfigReader config)
    {
        LoraConfigFields.RefuseUnsupported(config);
        foreach (string field in new[] { "use_dora", "use_rslora", "lora_bias", "trainable_token_indices" })
        {
            if (config.Raw(field) is { ValueKind: not (System.Text.Json.JsonValueKind.False or System.Text.Json.JsonValueKind.Null) })
            {
                throw config.Error(field, "is an option of LoRA that AdaLoRA does not have");
            }
        }
        var (init, problem) = ConfigFields.Start(config, "init_lora_weights", "true");
        return new AdaLoraConfig(config)
        {
            StartProblem = problem,
            EnsureWeightTying = config.Bool("ensure_weight_tying", false),
            InitialRank = config.Int("init_r", 12, min: 0),
            TargetRank = config.Int("target_r", 8, min: 0),
            Alpha = config.Float("lora_alpha", 8),
            Dropout = config.Float("lora_dropout", 0, min: 0, max: 1),
            InitialSteps = config.Int("tinit", 0, min: 0),
            FinalSteps = config.Int("tfinal", 0, min: 0),
            Interval = config.Int("deltaT", 1, min: 1),
            Beta1 = config.Float("beta1", 0.85),
            Beta2 = config.Float("beta2", 0.85),
            OrthogonalWeight = config.Float("orth_reg_weight", 0.5, min: 0),
            TotalSteps = config.IntOrNull("total_step", min: 1),
            InitWeights = init == "true",
            RankPattern = config.ObjectOrNull("rank_pattern") is { } pattern
            ? pattern.Names.ToDictionary(name => name, name => Flags(pattern, name), StringComparer.Ordinal) : null,
            UnusedRank = config.Int("r", 8),
            NamesAlphas = config.ObjectOrNull("alpha_pattern")?.Names.Any() ?? false,
        };
    }

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        LoraConfigFields.WriteUnused(json);
        json["r"] = UnusedRank;
        json["ensure_weight_tying"] = EnsureWeightTying;
        json["alpha_pattern"] = new JsonObject();
        json["use_dora"] = false;
        json["use_rslora"] = false;
        json["lora_bias"] = false;
        json["trainable_token_indices"] = null;
        json["init_r"] = InitialRank;
        json["target_r"] = TargetRank;
        json["lora_alpha"] = ConfigFields.Number(Alpha);
        json["lora_dropout"] = Float(Dropout);
        json["tinit"] = InitialSteps;
        json["tfinal"] = FinalSteps;
        json["deltaT"] = Interval;
        json["beta1"] = Float(Beta1);
        json["beta2"] = Float(Beta2);
        json["orth_reg_weight"] = Float(OrthogonalWeight);
        json["total_step"] = TotalSteps;
        json["init_lora_weights"] = InitWeights;
        json["rank_pattern"] = RankPattern is null ? null
            : new JsonObject(RankPattern.Select(layer => KeyValuePair.Create(layer.Key,
                (JsonNode?)new JsonArray([.. layer.Value.Select(kept => JsonValue.Create(kept))]))));
    }

    internal override Adapter Attach(AttachContext context)
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
        adapter.Penalty = allocator.Penalty;
        adapter.AfterStep = allocator.AfterStep;
        adapter.State = allocator.State;
        return adapter;
    }

    private string? ScheduleProblem => TotalSteps is { } total && InitialSteps >= total - FinalSteps
        ? $"tinit {InitialSteps} and tfinal {FinalSteps} leave none of {total} steps for ranks to go down; lower them or raise total_step"
        : null;

    private void Check(bool isNew)
    {
        Hyperparameters.Dropout("lora_dropout", Dropout);
        string? problem = this switch
        {
            { InitialRank: < 1 } when isNew => $"init_r is {InitialRank}; it must be at least 1",
            { TotalSteps: null } when isNew => "AdaLoRA needs total_step, the steps of the whole training, to know when ranks go down",
            _ when isNew && ScheduleProblem is { } schedule => schedule,
            { OrthogonalWeight: < 0 } => $"orth_reg_weight is {OrthogonalWeight}; it must be at least 0",
            { Beta1: <= 0 or >= 1 } or { Beta2: <= 0 or >= 1 } => $"beta1 is {Beta1} and beta2 {Beta2}; both must be between 0 and 1",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException(problem);
        }
    }

    private static IReadOnlyList<bool> Flags(ConfigReader pattern, string name) =>
        pattern.Raw(name) is { ValueKind: System.Text.Json.JsonValueKind.Array } list && list.EnumerateArray()
        .All(flag => flag.ValueKind is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False)
            ? [.. list.EnumerateArray().Select(flag => flag.GetBoolean())]
            : throw pattern.Error(name, "must be a list of true and false");
}

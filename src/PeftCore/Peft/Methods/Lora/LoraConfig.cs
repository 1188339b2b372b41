using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft.Lora;

/// <summary>How A and B start.</summary>
public enum LoraInit
{
    /// <summary>A Kaiming-uniform with a = √5, B zero: the adapter starts as the identity.</summary>
    Default,

    /// <summary>A normal with deviation 1/r, B zero.</summary>
    Gaussian,

    /// <summary>A and B random: the adapter starts as noise. For tests.</summary>
    Random,

    /// <summary>The r largest singular directions of the weight, taken out of it (Meng et al. 2024, PiSSA).</summary>
    Pissa,

    /// <summary>The first r directions of the weight's QR decomposition, taken out of it (Büyükakyüz 2024, OLoRA).</summary>
    Olora,

    /// <summary>A at the principal components of the layers' inputs, ranks where those explain most (Paischer et al. 2024, EVA). Needs
    /// data.</summary>
    Eva,

    /// <summary>Directions of the weight that data uses most, or least, taken out of it (Yang et al. 2024, CorDA). Needs data.</summary>
    Corda,

    /// <summary>Directions of the weight's gradient, their product taken out of the weight (Wang et al. 2024, LoRA-GA). Needs
    /// data.</summary>
    LoraGa,

    /// <summary>What rounding the weight to NF4 loses; the weight is rounded while the adapter is active (Li et al. 2023, LoftQ).</summary>
    Loftq,
}

/// <summary>Hyperparameters of LoRA (Hu et al. 2021), with rsLoRA (Kalajdzievski 2023) and DoRA (Liu et al. 2024). Defaults are Hugging
/// Face's.</summary>
public sealed record LoraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public LoraConfig()
    {
    }

    private LoraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "LORA";

    /// <summary>r, the rank of the update.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r, or α/√r with <see cref="UseRsLora"/>.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout on the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether B has a bias.</summary>
    public bool LoraBias { get; init; }

    /// <summary>Scale by α/√r.</summary>
    public bool UseRsLora { get; init; }

    /// <summary>Train a magnitude for each output beside the direction.</summary>
    public bool UseDora { get; init; }

    /// <summary>How A and B start.</summary>
    public LoraInit Init { get; init; }

    /// <summary>What the file calls <see cref="Init"/>.</summary>
    public string InitName => OtherInit ?? LoraConfigFields.ToJson(Init).ToString();

    /// <summary>Settings of EVA, CorDA and LoRA-GA.</summary>
    public Calibration Calibration { get; init; } = new();

    /// <summary>How often LoftQ rounds and factors in turns.</summary>
    public int LoftqIterations { get; init; } = 1;

    /// <summary>Ranks that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init; } = [];

    /// <summary>Alphas that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init; } = [];

    /// <summary>Tokens whose embedding rows train, by the embedding's name; null for none. The empty name stands for the model's input
    /// embedding.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<int>>? TrainableTokens { get; init; }

    /// <summary>The initialisation of a name: true, false, gaussian, pissa, olora, eva, corda, lora_ga or loftq.</summary>
    /// <exception cref="BadInputException">There is no such initialisation.</exception>
    public static LoraInit ParseInit(string name) => LoraConfigFields.Named(name);

    internal static LoraConfig Read(ConfigReader config)
    {
        LoraConfigFields.RefuseUnsupported(config);
        var (init, other, problem, isKnown) = LoraConfigFields.Init(config);
        var (calibration, iterations, broken) = LoraStartFields.Read(config, init);
        return new LoraConfig(config)
        {
            OtherInit = other,
            IsKnownInit = isKnown,
            StartProblem = problem ?? broken,
            EnsureWeightTying = config.Bool("ensure_weight_tying", false),
            Notes = config.Float("lora_alpha", 8) == 0 ? ["lora_alpha is 0, so the adapter adds nothing"] : [],
            Rank = config.Int("r", 8, min: 1),
            Alpha = config.Float("lora_alpha", 8),
            Dropout = config.Float("lora_dropout", 0, min: 0, max: 1),
            LoraBias = config.Bool("lora_bias", false),
            UseRsLora = config.Bool("use_rslora", false),
            UseDora = config.Bool("use_dora", false),
            Init = init,
            LoftqIterations = iterations,
            Calibration = calibration,
            StartFields = LoraStartFields.Keep(config),
            RankPattern = ConfigFields.IntPattern(config, "rank_pattern"),
            AlphaPattern = ConfigFields.FloatPattern(config, "alpha_pattern"),
            TrainableTokens = LoraConfigFields.Tokens(config),
        };
    }

    /// <summary>eva_config, corda_config, lora_ga_config and loftq_config as a file has them, with what means nothing here.</summary>
    internal JsonObject? StartFields { get; private init; }

    /// <summary>What the file calls an initialisation that is not made here; null for one that is.</summary>
    internal string? OtherInit { get; private init; }

    /// <summary>Whether the initialisation's name is known, here or to Hugging Face PEFT.</summary>
    internal bool IsKnownInit { get; private init; } = true;

    /// <summary>Whether embedding and head shall stay one where the base ties them.</summary>
    internal bool EnsureWeightTying { get; private init; }

    internal override void CheckStored(CausalModel model, AdapterWeights stored, bool trainable)
    {
        if (EnsureWeightTying)
        {
            WeightTying.Check(model, stored, trainable);
        }
        LoraChecks.CheckTables(this, model, stored);
    }

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "lora_only";

    internal override bool StartsAsBase => Init is not (LoraInit.Random or LoraInit.Loftq);

    internal override bool SupportsGraphCapture => !UseDora;

    internal override void WriteOwn(JsonObject json)
    {
        LoraConfigFields.WriteUnused(json);
        LoraStartFields.Write(this, json);
        json["r"] = Rank;
        json["lora_alpha"] = ConfigFields.Number(Alpha);
        json["lora_dropout"] = Float(Dropout);
        json["lora_bias"] = LoraBias;
        json["use_rslora"] = UseRsLora;
        json["use_dora"] = UseDora;
        json["init_lora_weights"] = OtherInit ?? LoraConfigFields.ToJson(Init);
        json["ensure_weight_tying"] = EnsureWeightTying;
        json["rank_pattern"] = ConfigFields.ToJson(RankPattern);
        json["alpha_pattern"] = ConfigFields.ToJson(AlphaPattern);
        json["trainable_token_indices"] = TrainableTokens is null ? null
            : TrainableTokens.TryGetValue("", out var bare) ? Integers(bare)
            : new JsonObject(TrainableTokens.Select(pair => KeyValuePair.Create(pair.Key, Integers(pair.Value))));
    }

    internal override Adapter Attach(AttachContext context) => new LoraAttachment(context, this).Attach();
}

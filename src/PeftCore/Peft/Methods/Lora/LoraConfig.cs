using System.Text.Json.Nodes;
using PeftCore.Models;

namespace PeftCore.Peft.Lora;

/// <summary>Initialisation of A and B.</summary>
public enum LoraInit
{
    /// <summary>A is Kaiming-uniform with a = √5, B zero: the adapter starts as the identity.</summary>
    Default,

    /// <summary>A is normal with standard deviation 1/r, B zero.</summary>
    Gaussian,

    /// <summary>A and B are random, so that a new adapter changes the output; for tests.</summary>
    Random,

    /// <summary>A and B are the r largest singular directions of the weight, which are subtracted from it (Meng et al. 2024,
    /// PiSSA).</summary>
    Pissa,

    /// <summary>A and B are the first r directions of the weight's QR decomposition, which are subtracted from it (Büyükakyüz 2024,
    /// OLoRA).</summary>
    Olora,

    /// <summary>A holds the principal components of the layer's inputs; ranks are assigned to the layers whose components explain most
    /// variance (Paischer et al. 2024, EVA). Needs data.</summary>
    Eva,

    /// <summary>A and B are the directions of the weight that data use most, or least, which are subtracted from it (Yang et al. 2024,
    /// CorDA). Needs data.</summary>
    Corda,

    /// <summary>A and B are singular directions of the weight's gradient; their product is subtracted from the weight (Wang et al. 2024,
    /// LoRA-GA). Needs data.</summary>
    LoraGa,

    /// <summary>B·A approximates the error of rounding the weight to NF4; the weight is rounded while the adapter is active (Li et al.
    /// 2023, LoftQ).</summary>
    Loftq,
}

/// <summary>Hyperparameters of LoRA (Hu et al. 2021), with rsLoRA (Kalajdzievski 2023) and DoRA (Liu et al. 2024). Defaults are Hugging
/// Face's.</summary>
/// <example>
/// <code>
/// var config = new LoraConfig
/// {
///     Rank = 16, Alpha = 32, Dropout = 0.05,
///     TargetModules = ModuleSelector.Of("q_proj", "v_proj", "down_proj"),
/// };
/// var weightDecomposed = config with { UseDora = true };
/// </code>
/// </example>
public sealed record LoraConfig : TargetedConfig
{
    private const string NoUpdate = "lora_alpha is 0, so the adapter adds nothing";

    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<LoraConfig> Fields { get; } = new ConfigFields<LoraConfig>(new())
        .Variants()
        .Add(LoraConfigFields.Init)
        .Add(LoraStartFields.Eva)
        .Add(LoraStartFields.Corda)
        .Add(LoraStartFields.LoraGa)
        .Add(LoraStartFields.Loftq)
        .Targets(bias: "lora_only", exclude: true, layers: true, fanInFanOut: true)
        .Bool("ensure_weight_tying", c => c.EnsureWeightTying, (c, v) => c with { EnsureWeightTying = v },
            "Refuse an adapter that would part embedding and output head where the base ties them.")
        .Number("lora_alpha", c => c.Alpha, (c, v) => c with { Alpha = v, Notes = v == 0 ? [NoUpdate] : [] },
            "α; the update is scaled by s = α/r, or α/√r with use_rslora.")
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "Rank r of the update B·A.", min: 1)
        .Fraction("lora_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the input of A.")
        .Bool("lora_bias", c => c.LoraBias, (c, v) => c with { LoraBias = v }, "Give B a bias.")
        .Bool("use_rslora", c => c.UseRsLora, (c, v) => c with { UseRsLora = v },
            "Scale the update by α/√r instead of α/r (rank-stabilized LoRA).")
        .Bool("use_dora", c => c.UseDora, (c, v) => c with { UseDora = v },
            "Train a magnitude m for each output beside the direction of its weights (DoRA).")
        .IntPattern("rank_pattern", c => c.RankPattern, (c, v) => c with { RankPattern = v },
            "Ranks of single layers, by a pattern for the end of the module's path; the first match counts.")
        .FloatPattern("alpha_pattern", c => c.AlphaPattern, (c, v) => c with { AlphaPattern = v },
            "α of single layers, by a pattern for the end of the module's path; the first match counts.")
        .Add(LoraConfigFields.TrainableTokens)
        .Texts("target_parameters", c => c.TargetParameters, (c, v) => c with { TargetParameters = v },
            "Fused matrices of experts to adapt, such as mlp.experts.gate_up_proj; each expert gets an update of its own.");

    /// <summary>r, the rank of the update.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r, or α/√r with <see cref="UseRsLora"/>.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout probability of the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether B has a bias.</summary>
    internal bool LoraBias { get; init; }

    /// <summary>Whether the scale is α/√r (rsLoRA) instead of α/r.</summary>
    public bool UseRsLora { get; init; }

    /// <summary>Whether a magnitude per output is trained too (DoRA).</summary>
    public bool UseDora { get; init; }

    /// <summary>Initialisation of A and B.</summary>
    public LoraInit Init { get; init; }

    /// <summary>The name of <see cref="Init"/> in the file.</summary>
    public string InitName => OtherInit ?? LoraConfigFields.ToJson(Init).ToString();

    /// <summary>Settings of EVA, CorDA and LoRA-GA.</summary>
    internal Calibration Calibration { get; init; } = new();

    /// <summary>Number of LoftQ iterations; each rounds the weight and factors the error.</summary>
    internal int LoftqIterations { get; init; } = 1;

    /// <summary>Ranks of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init => field = Given.Value(value); } = [];

    /// <summary>α of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init => field = Given.Value(value); } = [];

    /// <summary>Tokens whose embedding rows are trained, by the embedding's name; null for none. The empty name is the model's input
    /// embedding.</summary>
    internal IReadOnlyDictionary<string, IReadOnlyList<int>>? TrainableTokens { get; init; }

    /// <summary>Fused matrices of experts that are adapted, by the end of their path, such as "mlp.experts.gate_up_proj"; null for none. To
    /// adapt nothing else, give <see cref="TargetedConfig.TargetModules"/> no names.</summary>
    internal IReadOnlyList<string>? TargetParameters { get; init; }

    /// <summary>Parses an initialisation's name: true, false, gaussian, pissa, olora, eva, corda, lora_ga or loftq.</summary>
    internal static LoraInit ParseInit(string name) => LoraConfigFields.Named(name);

    /// <summary>The objects eva_config, corda_config, lora_ga_config and loftq_config of the file, including fields that are not used
    /// here.</summary>
    internal JsonObject? StartFields { get; init; }

    /// <summary>The file's name of an initialisation that is not supported for new adapters; null for a supported one.</summary>
    internal string? OtherInit { get; init; }

    /// <summary>Whether the initialisation's name is one of this library or of Hugging Face PEFT.</summary>
    internal bool IsKnownInit { get; init; } = true;

    /// <summary>Whether the adapter must change embedding and head alike if the base ties them. One that cannot is refused.</summary>
    internal bool EnsureWeightTying { get; init; }

    internal override void CheckStored(TransformerModel model, AdapterWeights stored, bool trainable)
    {
        if (EnsureWeightTying)
        {
            WeightTying.Check(model, stored, trainable);
        }
        LoraChecks.CheckTables(this, model, stored);
    }

    internal override bool StartsAsBase => Init is not (LoraInit.Random or LoraInit.Loftq);

    internal override bool SupportsGraphCapture => !UseDora;

    internal override Adapter AttachTo(AttachContext context) => new LoraAttachment(context, this).Attach();
}

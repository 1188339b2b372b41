using System.Text.Json.Nodes;
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
    private const string NoUpdate = "lora_alpha is 0, so the adapter adds nothing";

    /// <inheritdoc/>
    public override string PeftType => "LORA";

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
        .Add(LoraConfigFields.TrainableTokens);

    /// <inheritdoc/>
    public override ConfigValues FieldValues => Fields.Of(this);

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

    /// <summary>eva_config, corda_config, lora_ga_config and loftq_config as a file has them, with what means nothing here.</summary>
    internal JsonObject? StartFields { get; init; }

    /// <summary>What the file calls an initialisation that is not made here; null for one that is.</summary>
    internal string? OtherInit { get; init; }

    /// <summary>Whether the initialisation's name is known, here or to Hugging Face PEFT.</summary>
    internal bool IsKnownInit { get; init; } = true;

    /// <summary>Whether embedding and head shall stay one where the base ties them.</summary>
    internal bool EnsureWeightTying { get; init; }

    internal override void CheckStored(CausalModel model, AdapterWeights stored, bool trainable)
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

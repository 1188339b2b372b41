using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>Which biases train beside an adapter.</summary>
public enum BiasMode
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the layers the adapter changes.</summary>
    LoraOnly,

    /// <summary>Every bias of the model.</summary>
    All,
}

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
}

/// <summary>Hyperparameters of LoRA (Hu et al. 2021), with rsLoRA (Kalajdzievski 2023) and DoRA (Liu et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record LoraConfig : PeftConfig
{
    /// <inheritdoc/>
    public override string PeftType => "LORA";

    /// <summary>r, the rank of the update.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r, or α/√r with <see cref="UseRsLora"/>.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Dropout on the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>The layers to change; null for the family's usual ones.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Layers not to change, whatever the targets say.</summary>
    public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules that are trained whole and saved with the adapter.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Which biases train.</summary>
    public BiasMode Bias { get; init; }

    /// <summary>Whether B has a bias.</summary>
    public bool LoraBias { get; init; }

    /// <summary>Scale by α/√r.</summary>
    public bool UseRsLora { get; init; }

    /// <summary>Train a magnitude for each output beside the direction.</summary>
    public bool UseDora { get; init; }

    /// <summary>How A and B start.</summary>
    public LoraInit Init { get; init; }

    /// <summary>Numbers of the blocks to change; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names of the list of blocks; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>Ranks that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init; } = [];

    /// <summary>Alphas that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init; } = [];

    /// <summary>Whether weights are stored (in, out), as the file says; the layers themselves are what counts.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Tokens whose embedding rows train, by the embedding's name; null for none. The empty name stands for the model's input embedding.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<int>>? TrainableTokens { get; init; }

    /// <summary>The initialisation of a name: true, false, gaussian, pissa or olora.</summary>
    /// <exception cref="BadInputException">There is no such initialisation.</exception>
    public static LoraInit ParseInit(string name) => LoraConfigFields.Named(null, name);

    internal static LoraConfig Read(ConfigReader config)
    {
        LoraConfigFields.RefuseUnsupported(config);
        return new LoraConfig
        {
            TaskType = config.StringOrNull("task_type"),
            BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path"),
            Revision = config.StringOrNull("revision"),
            Rank = config.Int("r", 8, min: 1),
            Alpha = config.Float("lora_alpha", 8),
            Dropout = config.Float("lora_dropout", 0, min: 0, max: 1),
            TargetModules = ModuleSelector.Read(config, "target_modules"),
            ExcludeModules = ModuleSelector.Read(config, "exclude_modules"),
            ModulesToSave = config.StringsOrNull("modules_to_save"),
            Bias = config.Choice("bias", "none", "none", "lora_only", "all") switch { "all" => BiasMode.All, "lora_only" => BiasMode.LoraOnly, _ => BiasMode.None },
            LoraBias = config.Bool("lora_bias", false),
            UseRsLora = config.Bool("use_rslora", false),
            UseDora = config.Bool("use_dora", false),
            Init = LoraConfigFields.Init(config),
            LayersToTransform = LoraConfigFields.IntOrInts(config, "layers_to_transform"),
            LayersPattern = LoraConfigFields.StringOrStrings(config, "layers_pattern"),
            RankPattern = LoraConfigFields.Pattern(config, "rank_pattern", (o, name) => o.Int(name, min: 1)),
            AlphaPattern = LoraConfigFields.Pattern(config, "alpha_pattern", (o, name) => o.Float(name)),
            FanInFanOut = config.Bool("fan_in_fan_out", false),
            TrainableTokens = LoraConfigFields.Tokens(config),
        };
    }

    internal override void Write(JsonObject json)
    {
        LoraConfigFields.WriteUnused(json);
        json["r"] = Rank;
        json["lora_alpha"] = Alpha == Math.Floor(Alpha) ? JsonValue.Create((long)Alpha) : Float(Alpha);
        json["lora_dropout"] = Float(Dropout);
        json["target_modules"] = TargetModules?.ToJson();
        json["exclude_modules"] = ExcludeModules?.ToJson();
        json["modules_to_save"] = Strings(ModulesToSave);
        json["bias"] = Bias switch { BiasMode.All => "all", BiasMode.LoraOnly => "lora_only", _ => "none" };
        json["lora_bias"] = LoraBias;
        json["use_rslora"] = UseRsLora;
        json["use_dora"] = UseDora;
        json["init_lora_weights"] = LoraConfigFields.ToJson(Init);
        json["layers_to_transform"] = Integers(LayersToTransform);
        json["layers_pattern"] = Strings(LayersPattern);
        json["rank_pattern"] = new JsonObject(RankPattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)JsonValue.Create(p.Value))));
        json["alpha_pattern"] = new JsonObject(AlphaPattern.Select(p => KeyValuePair.Create(p.Key,
            (JsonNode?)(p.Value == Math.Floor(p.Value) ? JsonValue.Create((long)p.Value) : Float(p.Value)))));
        json["fan_in_fan_out"] = FanInFanOut;
        json["trainable_token_indices"] = TrainableTokens is null ? null
            : TrainableTokens.TryGetValue("", out var bare) ? Integers(bare)
            : new JsonObject(TrainableTokens.Select(pair => KeyValuePair.Create(pair.Key, Integers(pair.Value))));
    }

    internal override Adapter Attach(AttachContext context) => new LoraAttachment(context, this).Attach();
}

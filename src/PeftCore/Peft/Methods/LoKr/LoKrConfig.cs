using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.LoKr;

/// <summary>How LoKr's factors start.</summary>
public enum LoKrInit
{
    /// <summary>The first factor at zero: the adapter starts as the identity.</summary>
    Default,

    /// <summary>All random. For tests.</summary>
    Random,

    /// <summary>The second factor at zero, as LyCORIS has it: the adapter starts as the identity.</summary>
    Lycoris,
}

/// <summary>Hyperparameters of LoKr (Yeh et al. 2023, LyCORIS). Defaults are Hugging Face's.</summary>
public sealed record LoKrConfig : LycorisConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public LoKrConfig()
    {
    }

    private LoKrConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "LOKR";

    /// <summary>Factor the first, smaller factor as well.</summary>
    public bool DecomposeBoth { get; init; }

    /// <summary>Size to aim for in splitting inputs and outputs; −1 for about the square root.</summary>
    public int DecomposeFactor { get; init; } = -1;

    /// <summary>Whether outputs that are kept make up for those that are dropped.</summary>
    public bool RankDropoutScale { get; init; }

    /// <summary>How the factors start.</summary>
    public LoKrInit Init { get; init; }

    internal override bool StartsAsBase => Init != LoKrInit.Random;

    internal static LoKrConfig Read(ConfigReader config)
    {
        var (init, problem) = ConfigFields.Start(config, "init_weights", "true", "lycoris");
        return Read(config, init) with { StartProblem = problem };
    }

    private static LoKrConfig Read(ConfigReader config, string init) => new(config)
    {
        DecomposeBoth = config.Bool("decompose_both", false),
        DecomposeFactor = config.Int("decompose_factor", -1, min: -1),
        RankDropoutScale = config.Bool("rank_dropout_scale", false),
        Init = init switch { "lycoris" => LoKrInit.Lycoris, "false" => LoKrInit.Random, _ => LoKrInit.Default },
    };

    internal override void WriteOwn(JsonObject json)
    {
        base.WriteOwn(json);
        json["decompose_both"] = DecomposeBoth;
        json["decompose_factor"] = DecomposeFactor;
        json["rank_dropout_scale"] = RankDropoutScale;
        json["init_weights"] = Init == LoKrInit.Lycoris ? "lycoris" : Init == LoKrInit.Default;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Dropout("rank_dropout", RankDropout);
        Hyperparameters.Dropout("module_dropout", ModuleDropout);
        return new TargetedLayers(context, this).Attach((path, layer, site) => new LoKrAdapter(context, this, path, layer, site));
    }
}

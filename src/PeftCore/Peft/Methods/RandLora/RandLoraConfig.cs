using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.RandLora;

/// <summary>Hyperparameters of RandLoRA (Albert et al. 2025). Defaults are Hugging Face's.</summary>
public sealed record RandLoraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public RandLoraConfig()
    {
    }

    private RandLoraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "RANDLORA";

    /// <summary>r, the rank of each random basis; the smaller, the more bases and parameters.</summary>
    public int Rank { get; init; } = 32;

    /// <summary>α; the update is scaled by α/r.</summary>
    public double Alpha { get; init; } = 640;

    /// <summary>Dropout on the layer's input.</summary>
    public double Dropout { get; init; }

    /// <summary>Seed of the random bases, drawn as PyTorch draws them.</summary>
    public int ProjectionKey { get; init; }

    /// <summary>Whether the bases stand in the file; otherwise they are drawn again.</summary>
    public bool SaveProjection { get; init; } = true;

    /// <summary>Bases of −1, 0 and 1, two thirds of them 0.</summary>
    public bool Sparse { get; init; }

    /// <summary>The same with far more zeros: all but one in √(smaller side).</summary>
    public bool VerySparse { get; init; }

    /// <summary>Whether λ starts at zero, so that the adapter starts as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "randlora_only";

    internal override bool StartsAsBase => InitWeights;

    internal static RandLoraConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 32, min: 1),
        Alpha = config.Float("randlora_alpha", 640),
        Dropout = config.Float("randlora_dropout", 0, min: 0, max: 1),
        ProjectionKey = config.Int("projection_prng_key", 0),
        SaveProjection = config.Bool("save_projection", true),
        Sparse = config.Bool("sparse", false),
        VerySparse = config.Bool("very_sparse", false),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["randlora_alpha"] = ConfigFields.Number(Alpha);
        json["randlora_dropout"] = Float(Dropout);
        json["projection_prng_key"] = ProjectionKey;
        json["save_projection"] = SaveProjection;
        json["sparse"] = Sparse;
        json["very_sparse"] = VerySparse;
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        Hyperparameters.Dropout("randlora_dropout", Dropout);
        var targets = new TargetedLayers(context, this);
        RandomBases? bases = null;
        return targets.Attach((path, layer, site) => new RandLoraAdapter(context, this, path, layer,
            bases ??= new RandomBases(context, this, targets.Linears), site));
    }
}

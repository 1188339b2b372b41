using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Vera;

/// <summary>Hyperparameters of VeRA (Kopiczko et al. 2023). Defaults are Hugging Face's.</summary>
public sealed record VeraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public VeraConfig()
    {
    }

    private VeraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "VERA";

    /// <summary>r; far larger than LoRA's, since a rank costs one number here.</summary>
    public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared A and B, drawn as PyTorch draws them.</summary>
    public int ProjectionKey { get; init; }

    /// <summary>Whether A and B stand in the file; otherwise they are drawn again.</summary>
    public bool SaveProjection { get; init; } = true;

    /// <summary>Dropout on the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>What d starts at.</summary>
    public double InitialD { get; init; } = 0.1;

    /// <summary>Whether b starts at zero, so that the adapter starts as the identity; otherwise b is one and d random.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "vera_only";

    internal override bool StartsAsBase => InitWeights;

    internal static VeraConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 256, min: 1),
        ProjectionKey = config.Int("projection_prng_key", 0),
        SaveProjection = config.Bool("save_projection", true),
        Dropout = config.Float("vera_dropout", 0, min: 0, max: 1),
        InitialD = config.Float("d_initial", 0.1),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["projection_prng_key"] = ProjectionKey;
        json["save_projection"] = SaveProjection;
        json["vera_dropout"] = Float(Dropout);
        json["d_initial"] = Float(InitialD);
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        Hyperparameters.Dropout("vera_dropout", Dropout);
        var targets = new TargetedLayers(context, this);
        VeraProjections? shared = null;
        return targets.Attach((path, layer, site) =>
            new VeraAdapter(context, this, layer, shared ??= new VeraProjections(context, this, targets.Linears), site));
    }
}

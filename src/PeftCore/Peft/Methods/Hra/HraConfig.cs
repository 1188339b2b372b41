using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Hra;

/// <summary>Hyperparameters of HRA (Yuan et al. 2024, Householder reflection adaptation). Defaults are Hugging Face's.</summary>
public sealed record HraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public HraConfig()
    {
    }

    private HraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "HRA";

    /// <summary>r, how many reflections; even, so that they can start as pairs that cancel.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Make the directions orthogonal to each other (Gram and Schmidt).</summary>
    public bool ApplyGramSchmidt { get; init; }

    /// <summary>Whether directions start in equal pairs, so that the adapter starts as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers;

    internal override string BiasOfTargets => "hra_only";

    internal override bool StartsAsBase => InitWeights && !ApplyGramSchmidt && Rank % 2 == 0;

    internal static HraConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 8, min: 1),
        ApplyGramSchmidt = config.Bool("apply_GS", false),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["apply_GS"] = ApplyGramSchmidt;
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        return new TargetedLayers(context, this).Attach((path, layer, site) => new HraAdapter(context, this, path, layer, site));
    }
}

using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Shira;

/// <summary>Hyperparameters of SHiRA (Bhardwaj et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record ShiraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public ShiraConfig()
    {
    }

    private ShiraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "SHIRA";

    /// <summary>As many weights learn as a LoRA of this rank has: r·(in + out).</summary>
    public int Rank { get; init; } = 32;

    /// <summary>How the weights are chosen; "random" here, any other name is for files that hold their choice.</summary>
    public string MaskType { get; init; } = "random";

    /// <summary>Seed of the choice, drawn as PyTorch draws it; null for PyTorch's own default.</summary>
    public int? RandomSeed { get; init; }

    /// <summary>Whether the changes start at zero, so that the adapter starts as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.FanInFanOut;

    internal override bool StartsAsBase => InitWeights;

    internal static ShiraConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 32, min: 1),
        MaskType = config.String("mask_type", "random"),
        RandomSeed = config.IntOrNull("random_seed"),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["mask_type"] = MaskType;
        json["random_seed"] = RandomSeed;
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        if (context.IsNew && MaskType != "random")
        {
            throw new BadInputException($"mask_type is \"{MaskType}\"; a new adapter chooses its weights at random, so it must be random");
        }
        return new TargetedLayers(context, this).Attach((path, layer, site) => new ShiraAdapter(context, this, path, layer, site));
    }
}

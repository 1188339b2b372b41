namespace PeftCore.Peft.Shira;

/// <summary>Hyperparameters of SHiRA (Bhardwaj et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record ShiraConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<ShiraConfig> Fields { get; } = new ConfigFields<ShiraConfig>(new())
        .Targets(fanInFanOut: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v },
            "Number of trained entries, as a LoRA of this rank has: r·(in + out).", min: 1)
        .Add(new("mask_type", "text", "How the trained entries are chosen: random for a new adapter; a file holds its choice.",
            (c, reader) => c with { MaskType = reader.String("mask_type", c.MaskType) }, c => c.MaskType))
        .IntOrNull("random_seed", c => c.RandomSeed, (c, v) => c with { RandomSeed = v },
            "Seed of the choice, drawn as PyTorch draws it; null for PyTorch's own default.")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start the changes at zero, so that the adapter starts as the identity.");

    /// <summary>r; the number of trained entries per layer is that of a LoRA of this rank, r·(in + out).</summary>
    public int Rank { get; init; } = 32;

    /// <summary>How the entries are chosen: "random"; any other name is valid only in a file that holds the indices.</summary>
    internal string MaskType { get; init; } = "random";

    /// <summary>Seed of the random choice, which is drawn as in PyTorch; null for PyTorch's default seed.</summary>
    public int? RandomSeed { get; init; }

    /// <summary>Whether the entries start at zero, so that the adapter starts as the identity.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        if (context.IsNew && MaskType != "random")
        {
            throw new BadInputException($"mask_type is \"{MaskType}\"; a new adapter chooses its weights at random, so it must be random");
        }
        return new TargetedLayers(context, this).Attach((path, layer, site) => new ShiraAdapter(context, this, path, layer, site));
    }
}

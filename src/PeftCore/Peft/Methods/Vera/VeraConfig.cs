namespace PeftCore.Peft.Vera;

/// <summary>Hyperparameters of VeRA (Kopiczko et al. 2023). Defaults are Hugging Face's.</summary>
public sealed record VeraConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<VeraConfig> Fields { get; } = new ConfigFields<VeraConfig>(new())
        .Targets(bias: "vera_only", layers: true, fanInFanOut: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "Rank r of the shared matrices; far larger than LoRA's, since a rank costs " +
            "one number a layer.", min: 1)
        .Int("projection_prng_key", c => c.ProjectionKey, (c, v) => c with { ProjectionKey = v },
            "Seed of the shared A and B, drawn as PyTorch draws them.")
        .Bool("save_projection", c => c.SaveProjection, (c, v) => c with { SaveProjection = v },
            "Save A and B with the adapter; otherwise they are drawn again from the seed.")
        .Fraction("vera_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the input of A.")
        .Float("d_initial", c => c.InitialD, (c, v) => c with { InitialD = v }, "Initial value of every entry of d.")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start b at zero, so that the adapter starts as the identity; otherwise b is one and d random.");

    /// <summary>r, rank of the shared matrices; far larger than LoRA's, since each rank adds only one trained number.</summary>
    public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared A and B, which are drawn as in PyTorch.</summary>
    internal int ProjectionKey { get; init; }

    /// <summary>Whether the file contains A and B; otherwise loading draws them again from the seed.</summary>
    internal bool SaveProjection { get; init; } = true;

    /// <summary>Dropout probability of the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Initial value of every entry of d.</summary>
    internal double InitialD { get; init; } = 0.1;

    /// <summary>Whether b starts at zero, so that the adapter starts as the identity; otherwise b is one and d random.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var targets = new TargetedLayers(context, this);
        VeraProjections? shared = null;
        return targets.Attach((path, layer, site) =>
            new VeraAdapter(context, this, layer, shared ??= new VeraProjections(context, this, targets.Linears), site));
    }
}

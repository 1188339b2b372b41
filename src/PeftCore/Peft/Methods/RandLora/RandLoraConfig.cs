namespace PeftCore.Peft.RandLora;

/// <summary>Hyperparameters of RandLoRA (Albert et al. 2025). Defaults are Hugging Face's.</summary>
public sealed record RandLoraConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<RandLoraConfig> Fields { get; } = new ConfigFields<RandLoraConfig>(new())
        .Targets(bias: "randlora_only", layers: true, fanInFanOut: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v },
            "Rank r of each random basis; the smaller, the more bases and trained numbers.", min: 1)
        .Number("randlora_alpha", c => c.Alpha, (c, v) => c with { Alpha = v }, "α; the update is scaled by α/r.")
        .Fraction("randlora_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the layer's input.")
        .Int("projection_prng_key", c => c.ProjectionKey, (c, v) => c with { ProjectionKey = v },
            "Seed of the random bases, drawn as PyTorch draws them.")
        .Bool("save_projection", c => c.SaveProjection, (c, v) => c with { SaveProjection = v },
            "Save the bases with the adapter; otherwise they are drawn again from the seed.")
        .Bool("sparse", c => c.Sparse, (c, v) => c with { Sparse = v }, "Bases of -1, 0 and 1, two thirds of them 0.")
        .Bool("very_sparse", c => c.VerySparse, (c, v) => c with { VerySparse = v },
            "Bases of -1, 0 and 1, all but one in √(smaller side) of them 0.")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start λ at zero, so that the adapter starts as the identity.");

    /// <summary>r, the rank of each random basis; the smaller, the more bases and parameters.</summary>
    public int Rank { get; init; } = 32;

    /// <summary>α; the update is scaled by α/r.</summary>
    public double Alpha { get; init; } = 640;

    /// <summary>Dropout probability of the layer's input.</summary>
    public double Dropout { get; init; }

    /// <summary>Seed of the random bases, which are drawn as in PyTorch.</summary>
    internal int ProjectionKey { get; init; }

    /// <summary>Whether the file contains the bases; otherwise loading draws them again from the seed.</summary>
    internal bool SaveProjection { get; init; } = true;

    /// <summary>Whether the entries of the bases are −1, 0 or 1, two thirds of them 0.</summary>
    internal bool Sparse { get; init; }

    /// <summary>As <see cref="Sparse"/>, with one nonzero entry in √(smaller side).</summary>
    internal bool VerySparse { get; init; }

    /// <summary>Whether λ starts at zero, so that the adapter starts as the identity.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var targets = new TargetedLayers(context, this);
        RandomBases? bases = null;
        return targets.Attach((path, layer, site) => new RandLoraAdapter(context, this, path, layer,
            bases ??= new RandomBases(context, this, targets.Linears), site));
    }
}

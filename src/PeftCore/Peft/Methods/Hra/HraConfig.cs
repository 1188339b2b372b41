namespace PeftCore.Peft.Hra;

/// <summary>Hyperparameters of HRA (Yuan et al. 2024, Householder reflection adaptation). Defaults are Hugging Face's.</summary>
public sealed record HraConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<HraConfig> Fields { get; } = new ConfigFields<HraConfig>(new())
        .Targets(bias: "hra_only", exclude: true, layers: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v },
            "r, number of Householder reflections; even, so that they can start as pairs that cancel.", min: 1)
        .Bool("apply_GS", c => c.ApplyGramSchmidt, (c, v) => c with { ApplyGramSchmidt = v },
            "Make the directions orthogonal to each other (Gram and Schmidt).")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start directions in equal pairs, so that the adapter starts as the identity.");

    /// <summary>r, how many reflections; even, so that they can start as pairs that cancel.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Whether the directions are made orthogonal to each other (Gram-Schmidt).</summary>
    internal bool ApplyGramSchmidt { get; init; }

    /// <summary>Whether directions start in equal pairs, so that the adapter starts as the identity.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights && !ApplyGramSchmidt && Rank % 2 == 0;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        return new TargetedLayers(context, this).Attach((path, layer, site) => new HraAdapter(context, this, path, layer, site));
    }
}

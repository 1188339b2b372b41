namespace PeftCore.Peft.LoHa;

/// <summary>Hyperparameters of LoHa (Hyeon-Woo et al. 2021, FedPara). Defaults are Hugging Face's.</summary>
public sealed record LoHaConfig : LycorisConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<LoHaConfig> Fields { get; } = new ConfigFields<LoHaConfig>(new())
        .Lycoris()
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start one factor at zero, so that the adapter starts as the identity; otherwise all are random.");

    /// <summary>Whether one factor starts at zero, so that the adapter starts as the identity.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override Adapter AttachTo(AttachContext context)
    {
        return TargetedLayers.WithConvolutions(context, this)
            .AttachMatrices((path, layer, site) => new LoHaAdapter(context, this, path, layer, site));
    }
}

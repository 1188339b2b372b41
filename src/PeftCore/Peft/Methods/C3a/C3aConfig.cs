namespace PeftCore.Peft.C3a;

/// <summary>Initialisation of C³A's kernels.</summary>
public enum C3aInit
{
    /// <summary>Xavier uniform (Glorot and Bengio 2010).</summary>
    XavierUniform,

    /// <summary>Kaiming uniform (He et al. 2015).</summary>
    KaimingUniform,

    /// <summary>Standard normal.</summary>
    Gaussian,

    /// <summary>Zero: the adapter starts as the identity.</summary>
    Zero,
}

/// <summary>Hyperparameters of C³A (Chen et al. 2024, circular convolution adaptation). Defaults are Hugging Face's.</summary>
public sealed record C3aConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<C3aConfig> Fields { get; } = new ConfigFields<C3aConfig>(new())
        .Start("init_weights", c => c.Init, (c, v) => c with { Init = v },
            "Initialisation of the kernels; true is zero, so that the adapter starts as the identity, false is xavier_uniform.",
            ("true", C3aInit.Zero), ("gaussian", C3aInit.Gaussian), ("kaiming_uniform", C3aInit.KaimingUniform),
            ("xavier_uniform", C3aInit.XavierUniform), ("false", C3aInit.XavierUniform))
        .Targets(bias: "c3a_only", layers: true)
        .Int("block_size", c => c.BlockSize, (c, v) => c with { BlockSize = v },
            "b, side of the circulant blocks; divides inputs and outputs. The larger, the fewer trained numbers.", min: 1)
        .IntPattern("block_size_pattern", c => c.BlockSizePattern, (c, v) => c with { BlockSizePattern = v },
            "Block sizes of single layers, by a pattern for the end of the module's path; the first match counts.");

    /// <summary>b, side of the circulant blocks; divides inputs and outputs. Larger blocks have fewer parameters.</summary>
    public int BlockSize { get; init; } = 256;

    /// <summary>Block sizes of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    internal IReadOnlyList<KeyValuePair<string, int>> BlockSizePattern { get; init; } = [];

    /// <summary>Initialisation of the kernels.</summary>
    public C3aInit Init { get; init; }

    internal override bool StartsAsBase => Init == C3aInit.Zero;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context) =>
        new TargetedLayers(context, this).Attach((path, layer, site) => new C3aAdapter(context, this, path, layer, site));
}

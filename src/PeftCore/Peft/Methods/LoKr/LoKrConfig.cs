namespace PeftCore.Peft.LoKr;

/// <summary>Initialisation of LoKr's factors.</summary>
internal enum LoKrInit
{
    /// <summary>W₁ is zero: the adapter starts as the identity.</summary>
    Default,

    /// <summary>Both factors are random, for tests.</summary>
    Random,

    /// <summary>W₂ is zero, as in LyCORIS: the adapter starts as the identity.</summary>
    Lycoris,
}

/// <summary>Hyperparameters of LoKr (Yeh et al. 2023, LyCORIS). Defaults are Hugging Face's.</summary>
public sealed record LoKrConfig : LycorisConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<LoKrConfig> Fields { get; } = new ConfigFields<LoKrConfig>(new())
        .Start("init_weights", c => c.Init, (c, v) => c with { Init = v },
            "Initialisation: true zeroes the first factor, lycoris the second; false starts as noise.",
            ("true", LoKrInit.Default), ("false", LoKrInit.Random), ("lycoris", LoKrInit.Lycoris))
        .Lycoris()
        .Bool("decompose_both", c => c.DecomposeBoth, (c, v) => c with { DecomposeBoth = v },
            "Factor the first, smaller Kronecker factor as well.")
        .Int("decompose_factor", c => c.DecomposeFactor, (c, v) => c with { DecomposeFactor = v },
            "Size to aim for when inputs and outputs are split; -1 for about the square root.", min: -1)
        .Bool("rank_dropout_scale", c => c.RankDropoutScale, (c, v) => c with { RankDropoutScale = v },
            "Scale the kept outputs up to make up for those that rank_dropout drops.");

    /// <summary>Whether W₁, the smaller factor, is a product of rank r too.</summary>
    internal bool DecomposeBoth { get; init; }

    /// <summary>Preferred factor of inputs and outputs; −1 for the factors nearest to the square root.</summary>
    public int DecomposeFactor { get; init; } = -1;

    /// <summary>Whether rank dropout rescales the outputs that are kept.</summary>
    internal bool RankDropoutScale { get; init; }

    /// <summary>Initialisation of the factors.</summary>
    internal LoKrInit Init { get; init; }

    internal override bool StartsAsBase => Init != LoKrInit.Random;

    internal override Adapter AttachTo(AttachContext context)
    {
        return TargetedLayers.WithConvolutions(context, this)
            .AttachMatrices((path, layer, site) => new LoKrAdapter(context, this, path, layer, site));
    }
}

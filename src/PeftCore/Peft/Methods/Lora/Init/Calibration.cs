namespace PeftCore.Peft.Lora;

/// <summary>Settings of the initialisations that use data: EVA, CorDA and LoRA-GA. Defaults are Hugging Face's.</summary>
internal sealed record Calibration
{
    /// <summary>ρ of EVA, the upper bound of a layer's rank relative to r; at least 1.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Whether EVA divides each component by the square root of its singular value.</summary>
    public bool Whiten { get; init; }

    /// <summary>Whether EVA ignores the tokens whose labels are masked.</summary>
    public bool UseLabelMask { get; init; } = true;

    /// <summary>Whether EVA scales α with a layer's new rank, so that all layers have the same scale α/r.</summary>
    public bool AdjustScaling { get; init; } = true;

    /// <summary>Whether CorDA chooses the directions that the data use least ("kpm", which preserves the knowledge of the base), instead of
    /// those they use most ("ipm").</summary>
    public bool KeepKnowledge { get; init; }

    /// <summary>The singular directions of the gradient that initialise A and B in LoRA-GA.</summary>
    public LoraGaDirection Direction { get; init; } = LoraGaDirection.ArB2r;

    /// <summary>The scaling of LoRA-GA's factors.</summary>
    public LoraGaScale Scale { get; init; } = LoraGaScale.Stable;

    /// <summary>γ of LoRA-GA: with <see cref="LoraGaScale.Stable"/> B is out^¼/√γ times its directions.</summary>
    public double StableGamma { get; init; } = 16;
}

/// <summary>The choice among the 2r leading singular directions of the gradient for A and B, with Hugging Face's names.</summary>
internal enum LoraGaDirection
{
    /// <summary>A gets the first r, B the next r.</summary>
    ArB2r,

    /// <summary>B gets the first r, A the next r.</summary>
    A2rBr,

    /// <summary>B gets the first, third, fifth and so on, A the second, fourth and so on.</summary>
    ArBr,

    /// <summary>A and B get the same r random ones.</summary>
    Random,
}

/// <summary>The scaling of LoRA-GA's factors, with Hugging Face's names.</summary>
internal enum LoraGaScale
{
    /// <summary>B is multiplied by out^¼/√γ.</summary>
    Stable,

    /// <summary>B is multiplied by the factor that gives its first direction the weight's largest singular value.</summary>
    WeightSvd,

    /// <summary>A and B are divided by the adapter's scale.</summary>
    GdScale,

    /// <summary>A and B are not scaled: their directions have length 1.</summary>
    Unit,
}

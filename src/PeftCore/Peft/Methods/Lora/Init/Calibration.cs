namespace PeftCore.Peft.Lora;

/// <summary>Settings of the initialisations that use data: EVA, CorDA and LoRA-GA. Defaults are Hugging Face's.</summary>
public sealed record Calibration
{
    /// <summary>ρ of EVA: a layer may get up to ρ times its rank.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Whether EVA divides each component by the square root of its singular value.</summary>
    public bool Whiten { get; init; }

    /// <summary>Whether EVA uses only the tokens that are learned, not those whose labels are masked.</summary>
    public bool UseLabelMask { get; init; } = true;

    /// <summary>Whether EVA gives a layer α in proportion to its new rank, so that all layers keep one scale α/r.</summary>
    public bool AdjustScaling { get; init; } = true;

    /// <summary>Whether CorDA takes the directions the data uses least, which preserves what the base has learned, rather than those
    /// it uses most.</summary>
    public bool KeepKnowledge { get; init; }

    /// <summary>Which singular directions of the gradient LoRA-GA gives to A and which to B.</summary>
    public LoraGaDirection Direction { get; init; } = LoraGaDirection.ArB2r;

    /// <summary>The length of LoRA-GA's factors.</summary>
    public LoraGaScale Scale { get; init; } = LoraGaScale.Stable;

    /// <summary>γ of LoRA-GA: with <see cref="LoraGaScale.Stable"/> B starts at out^¼/√γ times its directions.</summary>
    public double StableGamma { get; init; } = 16;
}

/// <summary>Which of the 2r leading singular directions of the gradient A and B start at, with Hugging Face's names.</summary>
public enum LoraGaDirection
{
    /// <summary>A has the first r, B the next.</summary>
    ArB2r,

    /// <summary>B has the first r, A the next.</summary>
    A2rBr,

    /// <summary>B has the first, third, fifth and so on, A the second, fourth and so on.</summary>
    ArBr,

    /// <summary>Both have the same r, drawn at random.</summary>
    Random,
}

/// <summary>The length of LoRA-GA's factors, with Hugging Face's names.</summary>
public enum LoraGaScale
{
    /// <summary>B times out^¼/√γ.</summary>
    Stable,

    /// <summary>B times the factor that gives its first direction the weight's largest singular value.</summary>
    WeightSvd,

    /// <summary>A and B divided by the adapter's scale.</summary>
    GdScale,

    /// <summary>A and B as the gradient's decomposition gives them.</summary>
    Unit,
}

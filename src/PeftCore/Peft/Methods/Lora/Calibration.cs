namespace PeftCore.Peft.Lora;

/// <summary>Settings of initialisations that look at data. Defaults are Hugging Face's.</summary>
public sealed record Calibration
{
    /// <summary>ρ of EVA: a layer may have up to ρ times its rank.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Whether EVA divides each component by the square root of its singular value.</summary>
    public bool Whiten { get; init; }

    /// <summary>Whether EVA looks only at tokens that are learned, not at those whose labels are masked.</summary>
    public bool UseLabelMask { get; init; } = true;

    /// <summary>Whether EVA gives a layer α in proportion to its new rank, so that all layers keep one scale.</summary>
    public bool AdjustScaling { get; init; } = true;

    /// <summary>Whether CorDA takes the directions the data uses least, which keeps what the base knows, rather than those it uses
    /// most.</summary>
    public bool KeepKnowledge { get; init; }

    /// <summary>Which singular directions of the gradient LoRA-GA gives to A and which to B.</summary>
    public LoraGaDirection Direction { get; init; } = LoraGaDirection.ArB2r;

    /// <summary>How long the factors of LoRA-GA are.</summary>
    public LoraGaScale Scale { get; init; } = LoraGaScale.Stable;

    /// <summary>γ of LoRA-GA; with <see cref="LoraGaScale.Stable"/> B starts at out^¼/√γ times its directions.</summary>
    public double StableGamma { get; init; } = 16;
}

/// <summary>Which of the 2r leading singular directions of the gradient are whose, with Hugging Face's names.</summary>
public enum LoraGaDirection
{
    /// <summary>A has the first r, B the next.</summary>
    ArB2r,

    /// <summary>B has the first r, A the next.</summary>
    A2rBr,

    /// <summary>They take turns: B has the first, A the second.</summary>
    ArBr,

    /// <summary>Both have the same r, drawn at random.</summary>
    Random,
}

/// <summary>How long the factors of LoRA-GA are.</summary>
public enum LoraGaScale
{
    /// <summary>B times out^¼/√γ.</summary>
    Stable,

    /// <summary>B so long that its first direction has the weight's largest singular value.</summary>
    WeightSvd,

    /// <summary>Both over the adapter's scale.</summary>
    GdScale,

    /// <summary>As the gradient has them.</summary>
    Unit,
}

/// <summary>Initial A (r, in) and B (out, r) of a layer.</summary>
internal readonly record struct InitialFactors(double[] A, double[] B);

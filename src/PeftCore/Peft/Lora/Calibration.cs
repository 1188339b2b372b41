namespace PeftCore.Peft.Lora;

/// <summary>Settings of initialisations that look at data. Defaults are Hugging Face's.</summary>
public sealed record Calibration
{
    /// <summary>ρ of EVA: a layer may have up to ρ times its rank.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Whether EVA gives a layer α in proportion to its new rank, so that all layers keep one scale.</summary>
    public bool AdjustScaling { get; init; } = true;

    /// <summary>Whether CorDA takes the directions the data uses least, which keeps what the base knows, rather than those it uses most.</summary>
    public bool KeepKnowledge { get; init; }

    /// <summary>γ of LoRA-GA; B starts at out^¼/√γ times its directions.</summary>
    public double StableGamma { get; init; } = 16;
}

/// <summary>Initial A (r, in) and B (out, r) of a layer.</summary>
internal readonly record struct InitialFactors(double[] A, double[] B);

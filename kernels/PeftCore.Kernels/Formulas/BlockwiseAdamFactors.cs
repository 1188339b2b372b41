namespace PeftCore.Kernels;

/// <summary>
/// The factors and the formula of one AdamW step as bitsandbytes' kOptimizerStatic8bit2StateBlockwise computes it (Dettmers et al. 2022,
/// arXiv 2110.02861), for all elements of a parameter: v = β₂v + (1 − β₂)g²; m = β₁m + (1 − β₁)g; p = (p − lr·√c₂/c₁ · m/(√v + √c₂·ε)) ·
/// (1 − lr·λ) with cₙ = 1 − βₙᵗ. The weight decays after the step and not before it, and β are the float32 numbers: both differ from
/// <see cref="AdamFactors"/>. The vectors of the processor are tested against these scalar forms.
/// </summary>
internal struct BlockwiseAdamFactors
{
    /// <summary>Elements that share a scale, as in bitsandbytes since 0.44; before it were 2,048.</summary>
    public const int BlockSize = 256;

    public float Gradient, Beta1, Blend, Beta2, Square, Rate, Epsilon, Keep;

    public static BlockwiseAdamFactors Of(in Optimizers.AdamW h, float gradientScale)
    {
        double first = 1 - Math.Pow(h.Beta1, h.Step), second = Math.Sqrt(1 - Math.Pow(h.Beta2, h.Step));
        return new BlockwiseAdamFactors
        {
            Gradient = gradientScale,
            Beta1 = h.Beta1,
            Blend = 1 - h.Beta1,
            Beta2 = h.Beta2,
            Square = 1 - h.Beta2,
            Rate = (float)(h.LearningRate * second / first),
            Epsilon = (float)(h.Epsilon * second),
            Keep = 1 - (h.LearningRate * h.WeightDecay),
        };
    }

    /// <summary>The new first moment.</summary>
    public readonly float First(float m, float g) => (m * Beta1) + (Blend * (g * Gradient));

    /// <summary>The new second moment.</summary>
    public readonly float Second(float v, float g) => (v * Beta2) + (Square * (g * Gradient) * (g * Gradient));

    /// <summary>The new value, from the new moments.</summary>
    public readonly float Value(float p, float m, float v) => (p - (Rate * (m / (MathF.Sqrt(v) + Epsilon)))) * Keep;
}

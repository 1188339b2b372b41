namespace PeftCore.Kernels;

/// <summary>The factors and the formula of one Lion step (Chen et al. 2023, arXiv 2302.06675) for all elements of a parameter:
/// p = p·(1 − lr·λ) − lr·sign(β₁m + (1 − β₁)g); m = β₂m + (1 − β₂)g. The vectors of the processor are tested against these scalar
/// forms.</summary>
internal struct LionFactors
{
    public float Gradient, Keep, Rate, Beta1, Blend, Beta2, Mix;

    public static LionFactors Of(in Optimizers.Lion h, float gradientScale) => new()
    {
        Gradient = gradientScale,
        Keep = (float)(1 - (AdamFactors.AsDecimal(h.LearningRate) * AdamFactors.AsDecimal(h.WeightDecay))),
        Rate = h.LearningRate,
        Beta1 = h.Beta1,
        Blend = (float)(1 - AdamFactors.AsDecimal(h.Beta1)),
        Beta2 = h.Beta2,
        Mix = (float)(1 - AdamFactors.AsDecimal(h.Beta2)),
    };

    /// <summary>The new value, from the old moment. The sign of 0 is 0.</summary>
    public readonly float Value(float p, float m, float g)
    {
        float update = (m * Beta1) + (Blend * (g * Gradient));
        float step = update > 0 ? Rate : update < 0 ? -Rate : 0;
        return (p * Keep) - step;
    }

    /// <summary>The new moment.</summary>
    public readonly float Moment(float m, float g) => (m * Beta2) + (Mix * (g * Gradient));
}

namespace PeftCore.Kernels;

/// <summary>
/// The factors and the formulas of one Adafactor step (Shazeer and Stern 2018, arXiv 1804.04235) with a given learning rate, without a
/// first moment and without scaling by the parameter, as Hugging Face's Trainer configures it. With β = 1 − t^−0.8, a matrix keeps the
/// means of g² + ε₁ over its rows and over its columns, r = βr + (1 − β)·mean and c alike, and u = g/√(r/mean(r)·c); other parameters keep
/// v = βv + (1 − β)(g² + ε₁) and u = g/√v. p = p·(1 − lr·λ) − lr·u/max(1, RMS(u)/d).
/// </summary>
internal struct AdafactorFactors
{
    /// <summary>ε₁, added to g².</summary>
    public const float Epsilon = 1e-30f;

    /// <summary>d, the greatest root of the mean square of an update.</summary>
    public const float ClipThreshold = 1;

    /// <summary>The exponent of t in 1 − β.</summary>
    public const double DecayRate = -0.8;

    public float Gradient, Decay, Blend, Rate, Keep;

    public static AdafactorFactors Of(in Optimizers.Adafactor h, float gradientScale)
    {
        double blend = Math.Pow(h.Step, DecayRate);
        return new AdafactorFactors
        {
            Gradient = gradientScale,
            Decay = (float)(1 - blend),
            Blend = (float)blend,
            Rate = h.LearningRate,
            Keep = (float)(1 - (AdamFactors.AsDecimal(h.LearningRate) * AdamFactors.AsDecimal(h.WeightDecay))),
        };
    }

    /// <summary>The new moment of a mean of squared gradients, which are not scaled yet.</summary>
    public readonly float Moment(float moment, float meanSquare) =>
        (moment * Decay) + (Blend * ((meanSquare * Gradient * Gradient) + Epsilon));

    /// <summary>The factor of all updates of a parameter, from the sum of their squares.</summary>
    public readonly float StepSize(float sumOfSquares, float count)
    {
        float excess = MathF.Sqrt(sumOfSquares / count) / ClipThreshold;
        return excess > 1 ? Rate / excess : Rate;
    }
}

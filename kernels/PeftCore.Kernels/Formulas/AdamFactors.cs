namespace PeftCore.Kernels;

/// <summary>
/// The factors of one AdamW step, computed once for all elements:
/// g ← g·Gradient; m += (g − m)·Blend; v = v·Beta2 + g²·Square; p = p·Keep − Rate·m / (√v/Root + Epsilon).
/// </summary>
internal struct AdamFactors
{
    public float Gradient, Keep, Blend, Beta2, Square, Rate, Root, Epsilon;

    public static AdamFactors Of(in Optimizers.AdamW h, float gradientScale)
    {
        double beta1 = AsDecimal(h.Beta1), beta2 = AsDecimal(h.Beta2);
        double first = 1 - Math.Pow(beta1, h.Step), second = 1 - Math.Pow(beta2, h.Step);
        return new AdamFactors
        {
            Gradient = gradientScale,
            Keep = (float)(1 - (AsDecimal(h.LearningRate) * AsDecimal(h.WeightDecay))),
            Blend = (float)(1 - beta1),
            Beta2 = h.Beta2,
            Square = (float)(1 - beta2),
            Rate = (float)(AsDecimal(h.LearningRate) / first),
            Root = (float)Math.Sqrt(second),
            Epsilon = h.Epsilon,
        };
    }

    // 0.999f is not 0.999, and 1 − β₂ amplifies the difference; torch computes with the decimal number in float64.
    // Magnitudes beyond the range of decimal are not realistic hyperparameters, and are used unchanged.
    internal static double AsDecimal(float x) => Math.Abs(x) < 1e28f ? (double)(decimal)x : x;
}

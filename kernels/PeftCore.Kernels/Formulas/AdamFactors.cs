namespace PeftCore.Kernels;

/// <summary>
/// What one AdamW step multiplies by, worked out once for all elements:
/// g ← g·Gradient; m += (g − m)·Blend; v = v·Beta2 + g²·Square; p = p·Keep − Rate·m / (√v/Root + Epsilon).
/// </summary>
internal struct AdamFactors
{
    public float Gradient, Keep, Blend, Beta2, Square, Rate, Root, Epsilon;

    public static AdamFactors Of(in Optimizers.AdamW h, float gradientScale)
    {
        double beta1 = AsWritten(h.Beta1), beta2 = AsWritten(h.Beta2);
        double first = 1 - Math.Pow(beta1, h.Step), second = 1 - Math.Pow(beta2, h.Step);
        return new AdamFactors
        {
            Gradient = gradientScale,
            Keep = (float)(1 - (AsWritten(h.LearningRate) * AsWritten(h.WeightDecay))),
            Blend = (float)(1 - beta1),
            Beta2 = h.Beta2,
            Square = (float)(1 - beta2),
            Rate = (float)(AsWritten(h.LearningRate) / first),
            Root = (float)Math.Sqrt(second),
            Epsilon = h.Epsilon,
        };
    }

    // 0.999f is not 0.999, and 1 − β₂ shows the difference; torch computes with the decimal number as it was written.
    // What a decimal cannot hold is no setting anybody wrote for its digits; the step that diverges from it is noticed elsewhere.
    private static double AsWritten(float x) => Math.Abs(x) < 1e28f ? (double)(decimal)x : x;
}

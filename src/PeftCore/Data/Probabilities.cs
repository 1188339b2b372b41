namespace PeftCore.Data;

/// <summary>Probabilities of classes.</summary>
internal static class Probabilities
{
    /// <summary>softmax(logits): e^(xᵢ − max) / Σ e^(xⱼ − max).</summary>
    public static double[] Of(ReadOnlySpan<float> logits)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }
        double[] likely = new double[logits.Length];
        for (int i = 0; i < likely.Length; i++)
        {
            sum += likely[i] = Math.Exp(logits[i] - largest);
        }
        return Array.ConvertAll(likely, x => x / sum);
    }
}

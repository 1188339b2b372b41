namespace PeftCore.Optim;

/// <summary>Checks the ranges of an optimizer's settings, under the names of the command line and of Hugging Face.</summary>
internal static class Hyperparameters
{
    /// <summary>Returns λ, the weight decay, after the settings are checked. Those that an optimizer does not have are left out.</summary>
    /// <param name="weightDecay">λ, of at least 0.</param>
    /// <param name="beta1">β₁ in [0, 1).</param>
    /// <param name="beta2">β₂ in [0, 1).</param>
    /// <param name="epsilon">ε above 0: where all gradients are 0, it is what 0 is divided by.</param>
    /// <exception cref="BadInputException">A setting is out of its range.</exception>
    public static float Checked(float weightDecay, float beta1 = 0, float beta2 = 0, float epsilon = 1)
    {
        Require(beta1 is >= 0 and < 1, "adam_beta1", beta1, "in [0, 1)");
        Require(beta2 is >= 0 and < 1, "adam_beta2", beta2, "in [0, 1)");
        Require(epsilon > 0 && float.IsFinite(epsilon), "adam_epsilon", epsilon, "above 0");
        Require(weightDecay >= 0 && float.IsFinite(weightDecay), "weight_decay", weightDecay, "of at least 0");
        return weightDecay;
    }

    /// <summary>Checks the settings of LoRA+.</summary>
    /// <param name="ratio">The ratio of the learning rates of B and A, of at least 1.</param>
    /// <param name="embeddingRate">The learning rate of embeddings' factors, above 0.</param>
    /// <param name="peakRate">The learning rate of A, above 0.</param>
    /// <exception cref="BadInputException">A setting is out of its range.</exception>
    public static void CheckLoraPlus(double ratio, double embeddingRate, double peakRate)
    {
        Require(peakRate > 0 && double.IsFinite(peakRate), "learning_rate", peakRate, "above 0");
        Require(ratio >= 1 && double.IsFinite(ratio), "loraplus_lr_ratio", ratio, "of at least 1");
        Require(embeddingRate > 0 && double.IsFinite(embeddingRate), "loraplus_lr_embedding", embeddingRate, "above 0");
    }

    private static void Require<T>(bool holds, string name, T found, string expected)
    {
        if (!holds)
        {
            throw new BadInputException($"{name} is {found}, expected a number {expected}");
        }
    }
}

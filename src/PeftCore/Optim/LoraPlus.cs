using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>The groups of parameters of <see cref="LoraPlus"/>, as Hugging Face PEFT's create_loraplus_optimizer has them.</summary>
internal enum LoraPlusGroup
{
    /// <summary>The factors A, and whatever is in no other group; learns at the given rate.</summary>
    A,

    /// <summary>The factors B, and parameters with one axis; learns at ratio times the rate.</summary>
    B,

    /// <summary>Biases, and parameters of layer norms with one axis, at the rate of B without weight decay.</summary>
    BWithoutDecay,

    /// <summary>Both factors of embeddings, which have a rate of their own.</summary>
    Embedding,
}

/// <summary>LoRA+ (Hayou, Ghosh and Yu 2024, "LoRA+: Efficient Low Rank Adaptation of Large Models", arXiv 2402.12354): AdamW in which the
/// factors B learn at ratio times the rate of the factors A. Groups, rates and decay are those of Hugging Face PEFT's
/// create_loraplus_optimizer over AdamW.</summary>
internal static class LoraPlus
{
    private const string FactorB = "lora_B", FactorsOfEmbedding = "lora_embedding_";

    /// <summary>The optimizer of a model's trained parameters.</summary>
    /// <param name="parameters">The trained parameters, under PEFT's names, by which they are grouped.</param>
    /// <param name="model">The model, in which layer norms are found.</param>
    /// <param name="peakRate">The learning rate that the schedule multiplies, above 0; a step's rate has the schedule in it.</param>
    /// <param name="rates">The ratio of B's learning rate to A's, of at least 1, and the peak rate of embeddings' factors, above 0.</param>
    /// <param name="betas">β₁ and β₂, the decays of the moments, in [0, 1).</param>
    /// <param name="epsilon">ε above 0, added to the root of the second moment.</param>
    /// <param name="weightDecay">λ, of at least 0.</param>
    /// <exception cref="BadInputException">A number is out of its range, or no parameter is a factor B.</exception>
    public static AdamW New(IReadOnlyList<(string Name, Parameter Parameter)> parameters, Module model, double peakRate,
        (double Ratio, double EmbeddingRate) rates, (float Beta1, float Beta2) betas, float epsilon, float weightDecay)
    {
        Hyperparameters.CheckLoraPlus(rates.Ratio, rates.EmbeddingRate, peakRate);
        if (!parameters.Any(p => p.Name.Contains(FactorB, StringComparison.Ordinal)
            || p.Name.Contains(FactorsOfEmbedding, StringComparison.Ordinal)))
        {
            throw new BadInputException("optim lora_plus gives LoRA's factors B a learning rate of their own, but nothing that trains here "
                + "is named lora_B; choose LoRA or AdaLoRA, or another optimizer");
        }
        var ofLayerNorms = WeightDecayFilter.OfLayerNorms(model);
        return new AdamW(parameters, betas.Beta1, betas.Beta2, epsilon, weightDecay,
            (name, parameter) => GroupOf(name, parameter, ofLayerNorms) != LoraPlusGroup.BWithoutDecay, isPaged: false,
            (name, parameter) => GroupOf(name, parameter, ofLayerNorms) switch
            {
                LoraPlusGroup.A => 1,
                LoraPlusGroup.Embedding => rates.EmbeddingRate / peakRate,
                _ => rates.Ratio,
            });
    }

    /// <summary>The group of a parameter.</summary>
    /// <param name="name">Its name in PEFT.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="ofLayerNorms">The parameters of layer norms: see <see cref="WeightDecayFilter.OfLayerNorms"/>.</param>
    public static LoraPlusGroup GroupOf(string name, Parameter parameter, IReadOnlySet<Parameter> ofLayerNorms)
    {
        if (name.Contains(FactorsOfEmbedding, StringComparison.Ordinal))
        {
            return LoraPlusGroup.Embedding;
        }
        if (!name.Contains(FactorB, StringComparison.Ordinal) && parameter.Shape.Rank != 1)
        {
            return LoraPlusGroup.A;
        }
        return name.Contains("bias", StringComparison.Ordinal) || ofLayerNorms.Contains(parameter) ? LoraPlusGroup.BWithoutDecay
            : LoraPlusGroup.B;
    }
}

using System.Numerics.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>The error message for a model that computes NaN or infinity.</summary>
internal static class DamagedOutput
{
    public const string Sentence = "the model's output is not a number: its weights, or an adapter's, are damaged";

    /// <summary>Checks the logits of one token.</summary>
    /// <exception cref="BadInputException">One is NaN, or the largest is infinite.</exception>
    public static void Check(ReadOnlySpan<float> logits)
    {
        // The index of the first NaN, if any; an infinite logit has no softmax.
        if (!float.IsFinite(logits[TensorPrimitives.IndexOfMax(logits)]))
        {
            throw new BadInputException(Sentence);
        }
    }
}

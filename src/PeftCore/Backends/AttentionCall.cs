using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Shape, masks and dropout of an attention call.</summary>
/// <param name="Shape">Extents, scale and soft cap.</param>
/// <param name="Ranges">I32 (batch, queries, 2): the keys [first, end) that each query attends to; null for causal attention whose last
/// query attends to the last key.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes, or null.</param>
/// <param name="Bias">F32 (batch or 1, heads or 1, queries, keys) or (heads or 1, queries, keys), added to the scores; −∞ masks a key; or
/// null.</param>
/// <param name="Sinks">F32 (heads): one more logit of each row of scores, which attends to no key; or null.</param>
/// <param name="Dropout">Dropout of the probabilities.</param>
internal readonly record struct AttentionCall(AttentionShape Shape, Tensor? Ranges = null, Tensor? Slopes = null, Tensor? Bias = null,
    Tensor? Sinks = null, AttentionDropout Dropout = default)
{
    /// <summary>Where the bias of a batch row and head is.</summary>
    internal BiasStrides BiasStrides =>
        Bias?.Shape is { } s ? BiasStrides.Of(Shape, s.Rank == 4 && s[0] > 1, s[s.Rank - 3] > 1) : default;

    /// <summary>Floating-point operations of the forward pass; a causal call computes half of the square of scores.</summary>
    internal double Flops => 2 * Pairs * (Shape.HeadDim + Shape.ValueDim);

    /// <summary>Floating-point operations of the backward pass, which recomputes the scores: five products, against two in the forward
    /// pass.</summary>
    internal double GradientFlops => 2 * Pairs * (3.0 * Shape.HeadDim + 2.0 * Shape.ValueDim);

    // Scores that are computed.
    private double Pairs
    {
        get
        {
            double pairs = (double)Shape.QueryLength * Shape.KeyLength;
            if (Ranges is null)
            {
                pairs -= Shape.QueryLength * (Shape.QueryLength - 1) / 2.0;
            }
            return pairs * Shape.Batch * Shape.Heads;
        }
    }
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Shape and masks of an attention call.</summary>
/// <param name="Shape">Extents, scale and soft cap.</param>
/// <param name="Ranges">I32 (batch, queries, 2): the keys [first, end) that each query attends to; null for causal attention whose last
/// query attends to the last key.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes, or null.</param>
/// <param name="Bias">F32 (1 or heads, queries, keys), added to the scores; or null.</param>
internal readonly record struct AttentionCall(AttentionShape Shape, Tensor? Ranges = null, Tensor? Slopes = null, Tensor? Bias = null)
{
    /// <summary>Floating-point operations of the forward pass; a causal call computes half of the square of scores.</summary>
    internal double Flops
    {
        get
        {
            double pairs = (double)Shape.QueryLength * Shape.KeyLength;
            if (Ranges is null)
            {
                pairs -= Shape.QueryLength * (Shape.QueryLength - 1) / 2.0;
            }
            return 4 * pairs * Shape.Batch * Shape.Heads * Shape.HeadDim;
        }
    }

    /// <summary>Floating-point operations of the backward pass, which recomputes the scores: five products, against two in the forward
    /// pass.</summary>
    internal double GradientFlops => 2.5 * Flops;
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public partial interface IBackend
{
    /// <summary>y = x·rstd·(offset + weight) with rstd = 1/√(mean(x²) + ε), one per row.</summary>
    void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon);

    /// <summary>The y of <see cref="RmsNorm"/> once more, from the rstd it left.</summary>
    void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        RmsNorm(x, weight, weightOffset, y, rstd, epsilon);

    /// <summary>Gradients of <see cref="RmsNorm"/>; null for one that is not wanted.</summary>
    void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight);

    /// <summary>y = (x − mean)·rstd·weight + bias.</summary>
    void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon);

    /// <summary>Gradients of <see cref="LayerNorm"/>; null for one that is not wanted.</summary>
    void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias);

    /// <summary>Rotates heads in place by the angles of their positions (Su et al., RoFormer), or back.</summary>
    /// <param name="heads">The heads to rotate.</param>
    /// <param name="cos">(positions, rotary/2) cosines.</param>
    /// <param name="sin">(positions, rotary/2) sines.</param>
    /// <param name="positions">I32, one a row.</param>
    /// <param name="interleaved">Pairs are (2i, 2i+1) rather than (i, i + rotary/2).</param>
    /// <param name="inverse">Rotate by the negative angle.</param>
    void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse);

    /// <summary>Softmax attention without the score matrix: o and the log-sum-exp of each row's scores (batch, heads, queries).</summary>
    void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse);

    /// <summary>Gradients of <see cref="Attention"/>; null for one that is not wanted. <paramref name="delta"/> is scratch of lse's
    /// shape.</summary>
    void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias);

    /// <summary>Softmax of each row; y may be x.</summary>
    void Softmax(Tensor x, Tensor y);

    /// <summary>dx (+)= y·(dy − Σ y·dy), row by row.</summary>
    void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate);

    /// <summary>losses[r] = logsumexp(logits[r]) − logits[r, label], 0 where the label is <paramref name="ignoreLabel"/>; with
    /// <paramref name="writeGradient"/> the logits become (softmax − onehot)·scale.</summary>
    void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient);
}

/// <summary>What an attention call needs beside its tensors.</summary>
/// <param name="Shape">Extents, scale and soft cap.</param>
/// <param name="Ranges">I32 (batch, queries, 2): the keys [first, end) each query sees; null for causal attention aligned to the last
/// key.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes, or null.</param>
/// <param name="Bias">F32 (1 or heads, queries, keys) added to the scores, or null.</param>
public readonly record struct AttentionCall(AttentionShape Shape, Tensor? Ranges = null, Tensor? Slopes = null, Tensor? Bias = null)
{
    /// <summary>Floating-point operations of the forward pass; a causal call sees half of the square.</summary>
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

    /// <summary>Floating-point operations of the backward pass, which forms the scores again: five products for the forward pass's
    /// two.</summary>
    internal double GradientFlops => 2.5 * Flops;
}

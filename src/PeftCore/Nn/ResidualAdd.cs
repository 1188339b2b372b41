using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>The residual sum of a sublayer: x + h, or what its hook computes instead.</summary>
internal sealed class ResidualAdd
{
    /// <summary>The hook that computes the sum instead; null for x + h.</summary>
    public ResidualHook? Hook { get; set; }

    /// <summary>Adds a sublayer's output h to the residual stream x, both (B, T, C).</summary>
    public Tensor Add(Tensor stream, Tensor output) => Hook is null ? stream + output : Hook.Add(stream, output);
}

/// <summary>Computes a residual sum in its place.</summary>
internal abstract class ResidualHook
{
    /// <summary>The new residual stream, (B, T, C).</summary>
    public abstract Tensor Add(Tensor stream, Tensor output);
}

/// <summary>The residual sums of one block.</summary>
/// <param name="Block">The block.</param>
/// <param name="Attention">The sum after the attention.</param>
/// <param name="FeedForward">The sum after the feed-forward network.</param>
/// <param name="CrossAttention">The sum after a decoder's attention to an encoder; null without one.</param>
internal sealed record BlockResiduals(Module Block, ResidualAdd Attention, ResidualAdd FeedForward, ResidualAdd? CrossAttention = null);

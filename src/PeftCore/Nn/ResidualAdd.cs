using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Where a sublayer's output joins the stream of a block: x + h, unless a PEFT method stands in the way.</summary>
internal sealed class ResidualAdd
{
    /// <summary>What stands in the way; null for a plain sum.</summary>
    public ResidualHook? Hook { get; set; }

    /// <summary>Adds a sublayer's output to the stream, both (batch, length, hidden).</summary>
    public Tensor Add(Tensor stream, Tensor output) => Hook is null ? stream + output : Hook.Add(stream, output);
}

/// <summary>What a PEFT method puts in the place of a residual sum.</summary>
internal abstract class ResidualHook
{
    /// <summary>What the block goes on with.</summary>
    public abstract Tensor Add(Tensor stream, Tensor output);
}

/// <summary>The residual sums of one block.</summary>
/// <param name="Block">The block.</param>
/// <param name="Attention">Behind the attention.</param>
/// <param name="FeedForward">Behind the feed-forward network.</param>
internal sealed record BlockResiduals(Module Block, ResidualAdd Attention, ResidualAdd FeedForward);

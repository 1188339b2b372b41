using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>An adapter's part at a residual sum, which replaces x + h.</summary>
internal abstract class ResidualAdapter
{
    /// <summary>The parameters; <see cref="Adapter"/> adds their path.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>Computes the sum with this adapter alone.</summary>
    /// <param name="stream">x, the block's residual stream, (B, T, C).</param>
    /// <param name="output">h, the sublayer's output, (B, T, C).</param>
    public abstract Tensor Add(Tensor stream, Tensor output);
}

/// <summary>A part of an adapter at a residual sum.</summary>
/// <param name="Path">The path of the parameters.</param>
/// <param name="Place">The residual sum.</param>
/// <param name="Part">The part.</param>
internal sealed record ResidualAttachment(string Path, ResidualAdd Place, ResidualAdapter Part);

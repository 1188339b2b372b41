using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>A gradient that the pieces of a convolution's patches add to.</summary>
/// <param name="Gradient">The buffer.</param>
/// <param name="Accumulate">Whether it holds a sum already.</param>
internal sealed record PieceGradient(Tensor Gradient, bool Accumulate)
{
    public static PieceGradient? Of(BackwardContext context, int input) =>
        context.GradInput(input, out bool accumulate) is { } gradient ? new PieceGradient(gradient, accumulate) : null;

    /// <summary>Whether the piece that starts at a row adds to what is there.</summary>
    public bool Adds(int first) => Accumulate || first > 0;

    public void ZeroIfNew()
    {
        if (!Accumulate)
        {
            Gradient.Backend.Zero(Gradient);
        }
    }
}

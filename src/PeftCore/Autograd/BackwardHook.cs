using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>y = x; runs an action when the backward pass arrives here.</summary>
internal static class BackwardHook
{
    /// <summary>Records the action.</summary>
    /// <param name="x">A tensor that requires a gradient.</param>
    /// <param name="action">Runs in the backward pass after that of everything computed from the result.</param>
    /// <returns>x under another handle, which shares its memory.</returns>
    public static Tensor Mark(Tensor x, Action action)
    {
        var y = x.Detach();
        Tape.Record(() => new Node(action), [x], [y]);
        return y;
    }

    private sealed class Node(Action action) : GradientNode("hook")
    {
        protected internal override void Backward(BackwardContext context)
        {
            action();
            context.PropagateGrad(0, context.GradOutput());
        }
    }
}

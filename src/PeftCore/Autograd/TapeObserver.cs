using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Sees the ops of this thread while they run on a tape, recorded or not, and their backward passes.</summary>
internal abstract class TapeObserver
{
    [ThreadStatic]
    private static TapeObserver? _current;

    /// <summary>The observer of this thread; null for none.</summary>
    public static TapeObserver? Current { get => _current; set => _current = value; }

    /// <summary>Called after an op has run, unless recording is paused.</summary>
    /// <param name="op">Name of the op.</param>
    /// <param name="inputs">Its inputs; null for an absent one.</param>
    /// <param name="outputs">Its outputs.</param>
    /// <param name="node">The node on the tape; null if the op is not recorded.</param>
    public abstract void Ran(string op, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs, GradientNode? node);

    /// <summary>Called before the backward of a node that has the gradient of an output.</summary>
    public abstract void BackwardBegins(GradientNode node);

    /// <summary>Called after the backward of a node, when its saved tensors are released.</summary>
    /// <param name="node">The node.</param>
    /// <param name="hasRun">False if no output had a gradient, so that only the saved tensors were released.</param>
    public abstract void BackwardEnds(GradientNode node, bool hasRun);

    /// <summary>Called when a node has recomputed its output for the backward of the nodes that read it.</summary>
    public abstract void Recomputed(GradientNode node, Tensor output);
}

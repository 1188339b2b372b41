using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>What a node's backward works with: the gradients that arrived at its outputs, and places for those of its inputs.
/// Gradients that meet are added where they lie, so three projections of one input share one buffer.</summary>
public readonly ref struct BackwardContext
{
    private readonly GradientNode _node;

    internal BackwardContext(GradientNode node) => _node = node;

    /// <summary>Gradient of an output. A second and later output of an op may have none: see <see cref="HasGradOutput"/>.</summary>
    public Tensor GradOutput(int index = 0) => _node.Outputs[index].Gradient!;

    /// <summary>Whether any gradient came to this output.</summary>
    public bool HasGradOutput(int index) => _node.Outputs[index].Gradient is not null;

    internal int InputCount => _node.Inputs.Length;

    internal Shape ShapeOf(int input) => _node.InputShapes[input];

    /// <summary>Whether this input's gradient is wanted.</summary>
    public bool NeedsInputGrad(int input) => _node.Inputs[input] is not null;

    /// <summary>Whether this input's tensor is another input of the op as well, so that both write to one buffer.</summary>
    internal bool IsShared(int input) => _node.Inputs[input] is { } edge && _node.TakesTwice(edge);

    /// <summary>The buffer for an input's gradient; null if it is not wanted. With <paramref name="accumulate"/> there is a sum in it
    /// already, to be added to; otherwise its contents are undefined and all of it must be written.</summary>
    public Tensor? GradInput(int input, out bool accumulate)
    {
        accumulate = false;
        return _node.Inputs[input] is { } edge ? AsSeen(input, TargetOf(edge, out accumulate)) : null;
    }

    /// <summary>Like <see cref="GradInput(int, out bool)"/>, but takes over the memory of a saved tensor of the same size that only this
    /// node still holds, so that the gradient costs nothing.</summary>
    public Tensor? GradInputReusing(Tensor? saved, int input, out bool accumulate)
    {
        accumulate = false;
        if (_node.Inputs[input] is not { } edge)
        {
            return null;
        }
        if (edge.Gradient is null && edge is GradFn && !IsShared(input)
            && saved is { Storage.References: 1 } && saved.Count == edge.Shape.Count && saved.DType == edge.DType)
        {
            edge.Writer = _node;
            return AsSeen(input, edge.Gradient = saved.Unscoped(edge.Shape));
        }
        return AsSeen(input, TargetOf(edge, out accumulate));
    }

    /// <summary>The gradient of an output, for the caller to overwrite: the buffer itself where nobody else holds it, else a
    /// copy.</summary>
    public Tensor TakeGradOutput(int index = 0)
    {
        var gradient = GradOutput(index);
        if (gradient.Storage.References == 1)
        {
            return gradient;
        }
        var copy = gradient.NewLike(gradient.Shape);
        copy.Backend.Copy(gradient, copy);
        return copy;
    }

    /// <summary>Passes a tensor on as (part of) an input's gradient. The caller writes to it no more; the memory is shared where it can
    /// be.</summary>
    public void PropagateGrad(int input, Tensor gradient)
    {
        if (_node.Inputs[input] is not { } edge)
        {
            return;
        }
        if (edge.Gradient is null && (edge is GradFn || gradient.Storage.References == 1))
        {
            edge.Gradient = gradient.Unscoped(edge.Shape);
            if (edge is AccumulateGrad)
            {
                gradient.Storage.Recategorize(edge.Kind);
            }
            return;
        }
        var target = TargetOf(edge, out bool accumulate);
        if (accumulate)
        {
            target.Backend.Add(target, gradient, target);
        }
        else
        {
            target.Backend.Copy(gradient, target);
        }
    }

    /// <summary>The buffer in the shape the op saw, which differs where the input was a reshaped view.</summary>
    private Tensor AsSeen(int input, Tensor buffer)
    {
        var shape = _node.InputShapes[input];
        return buffer.Shape == shape ? buffer : buffer.View(shape);
    }

    private Tensor TargetOf(GradientEdge edge, out bool accumulate)
    {
        if (edge.Gradient is not { } gradient)
        {
            edge.Gradient = NewBuffer(Tape.RunningBackend, edge);
            edge.Writer = _node;
            accumulate = _node.TakesTwice(edge); // Then both inputs add to zero, in whatever order the op writes them.
            if (accumulate)
            {
                edge.Gradient.Backend.Zero(edge.Gradient);
            }
            return edge.Gradient;
        }
        accumulate = true;
        if (gradient.Storage.References > 1 && edge.Writer != _node)
        {
            var own = NewBuffer(gradient.Backend, edge);
            own.Backend.Copy(gradient, own);
            gradient.Dispose();
            edge.Gradient = own;
        }
        edge.Writer = _node;
        return edge.Gradient;
    }

    private static Tensor NewBuffer(IBackend backend, GradientEdge edge) =>
        backend.NewTensor(edge.Shape, edge.DType, edge.Kind).Keep();
}

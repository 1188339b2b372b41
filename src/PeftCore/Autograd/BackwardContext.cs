using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>The argument of a node's backward: the gradients of its outputs, and buffers for those of its inputs. Gradients of one tensor
/// accumulate in one buffer: q, k and v projections of one x share the buffer of dx.</summary>
internal readonly ref struct BackwardContext
{
    private readonly GradientNode _node;

    internal BackwardContext(GradientNode node) => _node = node;

    /// <summary>The gradient of an output. With several outputs, all but one may lack a gradient: see
    /// <see cref="HasGradOutput"/>.</summary>
    public Tensor GradOutput(int index = 0) => _node.Outputs[index].Gradient!;

    /// <summary>Whether an output has a gradient.</summary>
    public bool HasGradOutput(int index) => _node.Outputs[index].Gradient is not null;

    internal int InputCount => _node.Inputs.Length;

    internal Shape ShapeOf(int input) => _node.InputShapes[input];

    /// <summary>Whether an input requires a gradient.</summary>
    public bool NeedsInputGrad(int input) => _node.Inputs[input] is not null;

    /// <summary>Whether this input's tensor is also another input of the op, as in x·x: both gradients accumulate in one buffer.</summary>
    internal bool IsShared(int input) => _node.Inputs[input] is { } edge && _node.HasTwice(edge);

    /// <summary>The buffer for an input's gradient; null if it requires none. With <paramref name="accumulate"/> the buffer holds a sum to
    /// add to; otherwise its contents are undefined, and backward writes every element.</summary>
    public Tensor? GradInput(int input, out bool accumulate)
    {
        accumulate = false;
        return _node.Inputs[input] is { } edge ? InOpShape(input, BufferOf(edge, out accumulate)) : null;
    }

    /// <summary>Like <see cref="GradInput(int, out bool)"/>, but reuses the memory of a saved tensor of the same size that only this node
    /// holds, so that the gradient allocates nothing.</summary>
    public Tensor? GradInputReusing(Tensor? saved, int input, out bool accumulate)
    {
        accumulate = false;
        if (_node.Inputs[input] is not { } edge)
        {
            return null;
        }
        if (edge.Gradient is null && !edge.IsLeaf && !IsShared(input)
            && saved is { Storage.References: 1 } && saved.Count == edge.Shape.Count && saved.DType == edge.DType)
        {
            _node.MarkWritten(edge);
            return InOpShape(input, edge.Gradient = saved.Unscoped(edge.Shape));
        }
        return InOpShape(input, BufferOf(edge, out accumulate));
    }

    /// <summary>The gradient of an output for the caller to overwrite: the buffer itself if nothing else refers to it, else a
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

    /// <summary>Adds a tensor to an input's gradient, sharing its memory where possible. The caller must not write to it any
    /// more.</summary>
    public void PropagateGrad(int input, Tensor gradient)
    {
        if (_node.Inputs[input] is not { } edge)
        {
            return;
        }
        if (edge.Gradient is null && (!edge.IsLeaf || gradient.Storage.References == 1))
        {
            edge.Gradient = gradient.Unscoped(edge.Shape);
            if (edge.IsLeaf)
            {
                gradient.Storage.Recategorize(edge.Kind);
            }
            return;
        }
        var buffer = BufferOf(edge, out bool accumulate);
        if (accumulate)
        {
            buffer.Backend.Add(buffer, gradient, buffer);
        }
        else
        {
            buffer.Backend.Copy(gradient, buffer);
        }
    }

    /// <summary>The buffer in the shape of the op's input, which differs from the tensor's own if the input was a reshaped view.</summary>
    private Tensor InOpShape(int input, Tensor buffer)
    {
        var shape = _node.InputShapes[input];
        return buffer.Shape == shape ? buffer : buffer.View(shape);
    }

    private Tensor BufferOf(IGradFn edge, out bool accumulate)
    {
        if (edge.Gradient is not { } gradient)
        {
            edge.Gradient = NewBuffer(Tape.RunningBackend, edge);
            _node.MarkWritten(edge);
            accumulate = _node.HasTwice(edge); // Then both inputs add to zero, in whatever order the op writes them.
            if (accumulate)
            {
                edge.Gradient.Backend.Zero(edge.Gradient);
            }
            return edge.Gradient;
        }
        accumulate = true;
        if (gradient.Storage.References > 1 && !_node.HasWritten(edge))
        {
            // The memory is shared with a gradient that was passed on: copy on write.
            var own = NewBuffer(gradient.Backend, edge);
            own.Backend.Copy(gradient, own);
            gradient.Dispose();
            edge.Gradient = own;
        }
        _node.MarkWritten(edge);
        return edge.Gradient;
    }

    private static Tensor NewBuffer(Backend backend, IGradFn edge) =>
        backend.NewTensor(edge.Shape, edge.DType, edge.Kind).Keep();
}

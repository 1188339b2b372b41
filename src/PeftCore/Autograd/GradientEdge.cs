using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Where a tensor's gradient goes: into a leaf that trains, or back through the op that made the tensor.</summary>
internal abstract class GradientEdge
{
    /// <summary>The gradient gathered so far; owned by this edge.</summary>
    internal Tensor? Gradient { get; set; }

    /// <summary>The node whose backward has the gradient's memory for itself: its own views on it are no reason to copy.</summary>
    internal GradientNode? Writer { get; set; }

    /// <summary>Shape of the tensor this edge belongs to, and so of its gradient.</summary>
    internal abstract Shape Shape { get; }

    /// <summary>How the gradient is stored: as the tensor itself, F32 for parameters.</summary>
    internal abstract DType DType { get; }

    internal abstract MemoryKind Kind { get; }

    internal static GradientEdge? Of(Tensor tensor) => (GradientEdge?)tensor.GradientEdge;

    internal void LetGo(GradientNode writer) => Writer = Writer == writer ? null : Writer;

    internal void Drop()
    {
        Gradient?.Dispose();
        Gradient = null;
    }
}

/// <summary>The end of the road: the gradient stays here until the optimizer has used it.</summary>
internal sealed class AccumulateGrad(Shape shape, MemoryKind kind = MemoryKind.Gradient, DType dtype = DType.F32) : GradientEdge
{
    internal override Shape Shape => shape;

    internal override DType DType => dtype;

    internal override MemoryKind Kind => kind;
}

/// <summary>A promise of a gradient while a stretch only probes whether it needs one.</summary>
internal sealed class RequiresGradProbe(Shape shape, DType dtype) : GradientEdge
{
    internal override Shape Shape => shape;

    internal override DType DType => dtype;

    internal override MemoryKind Kind => MemoryKind.Activation;
}

/// <summary>One output of a recorded op.</summary>
internal sealed class GradFn(GradientNode node, Shape shape, DType dtype) : GradientEdge
{
    internal GradientNode Node => node;

    internal override Shape Shape => shape;

    internal override DType DType => dtype;

    internal override MemoryKind Kind => MemoryKind.Activation;
}

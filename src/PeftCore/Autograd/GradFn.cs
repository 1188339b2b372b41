using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>An output of a recorded op: its gradient is the input of the node's backward.</summary>
internal sealed class GradFn(GradientNode node, Shape shape, DType dtype) : IGradFn
{
    public GradientNode Node => node;

    public Tensor? Gradient { get; set; }

    public Shape Shape => shape;

    public DType DType => dtype;

    public MemoryKind Kind => MemoryKind.Activation;

    public bool IsLeaf => false;
}

/// <summary>A leaf: the gradient accumulates here until the optimizer has used it.</summary>
internal sealed class AccumulateGrad(Shape shape, MemoryKind kind = MemoryKind.Gradient, DType dtype = DType.F32) : IGradFn
{
    public Tensor? Gradient { get; set; }

    public Shape Shape => shape;

    public DType DType => dtype;

    public MemoryKind Kind => kind;

    public bool IsLeaf => true;
}

/// <summary>Marks a tensor computed while <see cref="TapeMode.Probe"/> runs: the real forward pass would record its op.</summary>
internal sealed class RequiresGradProbe(Shape shape, DType dtype) : IGradFn
{
    public Tensor? Gradient { get; set; }

    public Shape Shape => shape;

    public DType DType => dtype;

    public MemoryKind Kind => MemoryKind.Activation;

    public bool IsLeaf => false;
}

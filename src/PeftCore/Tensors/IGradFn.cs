namespace PeftCore.Tensors;

/// <summary>A node of the backward graph as a tensor refers to it (torch's grad_fn): a leaf that accumulates the tensor's gradient, or the
/// op that computed the tensor. The classes are in Autograd, which also sets <see cref="Tensor.GradFn"/>.</summary>
internal interface IGradFn
{
    /// <summary>The gradient accumulated so far; this object owns it.</summary>
    Tensor? Gradient { get; set; }

    /// <summary>Shape of the tensor and of its gradient.</summary>
    Shape Shape { get; }

    /// <summary>How the gradient is stored: F32 for parameters, else as the tensor.</summary>
    DType DType { get; }

    /// <summary>The accounting category of the gradient's memory.</summary>
    MemoryKind Kind { get; }

    /// <summary>Whether the gradient stays here after the backward pass; otherwise it is passed on and freed.</summary>
    bool IsLeaf { get; }

    /// <summary>Frees the gradient.</summary>
    void FreeGradient()
    {
        Gradient?.Dispose();
        Gradient = null;
    }
}

using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A module from one tensor to one tensor: the places where PEFT methods attach. What is made inside a call is freed with
/// it.</summary>
public abstract class Layer : Module
{
    /// <summary>What stands in this layer's way; null when it runs as it is.</summary>
    internal LayerHook? Hook { get; set; }

    /// <summary>Runs the layer, or what a PEFT method has made of it.</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope(Name);
        return scope.Return(Hook is null ? Compute(x) : Hook.Forward(x));
    }

    /// <summary>Runs the layer itself, without what was attached.</summary>
    protected internal abstract Tensor Compute(Tensor x);
}

/// <summary>What a PEFT method puts in a layer's way: it gets the layer's input and calls the layer's own computation as it needs
/// it.</summary>
internal abstract class LayerHook
{
    /// <summary>Computes the layer's output with the method applied.</summary>
    public abstract Tensor Forward(Tensor x);

    /// <summary>What the method adds to a linear layer, if that is low-rank products alone; null if it is anything else.</summary>
    public virtual IReadOnlyList<LowRankUpdate>? LowRankUpdates() => null;
}

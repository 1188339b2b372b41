using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A module that maps one tensor to one tensor; PEFT methods attach to layers. Tensors created inside a call are freed at its end,
/// except the result and saved tensors.</summary>
public abstract class Layer : Module
{
    /// <summary>The hook that computes the output instead of the layer; null for none.</summary>
    internal LayerHook? Hook { get; set; }

    /// <summary>Runs the hook if there is one, otherwise the layer.</summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope(Name);
        return scope.Return(Hook is null ? Compute(x) : Hook.Forward(x));
    }

    /// <summary>Runs the layer itself, without a hook.</summary>
    protected internal abstract Tensor Compute(Tensor x);
}

/// <summary>Replaces a layer's forward pass: gets the input, and may call <see cref="Layer.Compute"/>.</summary>
internal abstract class LayerHook
{
    /// <summary>The layer's output.</summary>
    /// <param name="x">The layer's input.</param>
    public abstract Tensor Forward(Tensor x);

    /// <summary>The low-rank updates whose sum is all that the hook adds to a linear layer, so that layers with the same input can run in
    /// one op (<see cref="Linear.ForwardFused"/>); null if <see cref="Forward"/> must run.</summary>
    public virtual IReadOnlyList<LowRankUpdate>? LowRankUpdates() => null;
}

using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter's part in one layer.</summary>
internal abstract class LayerAdapter
{
    /// <summary>Its parameters; the path is filled in by the adapter.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>The layer's output with only this adapter active.</summary>
    public abstract Tensor Forward(Tensor x);

    /// <summary>The layer's output with this and other adapters active, given what the others made of it.</summary>
    public abstract Tensor AddTo(Tensor x, Tensor y);

    /// <summary>Merges this adapter into copies of the layer's weight and bias.</summary>
    /// <param name="weight">F32, in the layer's own layout; changed in place.</param>
    /// <param name="bias">F32; changed in place. Null without one.</param>
    /// <param name="plain">A copy of the weight before other adapters were merged into it, for methods that scale what they find; null if there were
    /// none.</param>
    /// <returns>Whether the bias changed.</returns>
    public abstract bool Merge(Tensor weight, Tensor? bias, Tensor? plain);

    /// <summary>Frees what the adapter holds beside its parameters.</summary>
    public virtual void Free() { }

    /// <summary>Why this adapter cannot be merged; null if it can.</summary>
    public virtual string? MergeProblem => null;
}

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

    /// <summary>The layer's weight with this adapter merged in, F32, in the layer's own layout; and its bias if that changes.</summary>
    public abstract (Tensor Weight, Tensor? Bias) Merged(Tensor weight, Tensor? bias);

    /// <summary>Frees what the adapter holds beside its parameters.</summary>
    public virtual void Free() { }

    /// <summary>Why this adapter cannot be merged; null if it can.</summary>
    public virtual string? MergeProblem => null;
}

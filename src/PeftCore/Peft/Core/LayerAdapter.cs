using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter's part in one layer.</summary>
internal abstract class LayerAdapter
{
    /// <summary>Its parameters; the path is filled in by the adapter.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>What the file holds of it; its parameters, unless the method says otherwise.</summary>
    public virtual IEnumerable<SavedEntry> Entries(string path) =>
        Parameters.Select(parameter => SavedEntry.Of(parameter with { Path = path }));

    /// <summary>The layer's output with only this adapter active.</summary>
    public abstract Tensor Forward(Tensor x);

    /// <summary>The layer's output with this and other adapters active, given what the others made of it.</summary>
    public abstract Tensor AddTo(Tensor x, Tensor y);

    /// <summary>The update as low-rank products, for adapters that are nothing else, so that several run in one op; null for
    /// others.</summary>
    public virtual IEnumerable<LowRankUpdate>? LowRankUpdates() => null;

    /// <summary>Merges this adapter into copies of the layer's weight and bias.</summary>
    /// <param name="weight">F32, in the layer's own layout; changed in place.</param>
    /// <param name="bias">F32; changed in place. Null without one.</param>
    /// <param name="plain">A copy of the weight before other adapters were merged into it, for methods that scale what they find; null if
    /// there were none.</param>
    /// <returns>Whether the bias changed.</returns>
    public abstract bool Merge(Tensor weight, Tensor? bias, Tensor? plain);

    /// <summary>Frees what the adapter holds beside its parameters.</summary>
    public virtual void Free() { }

    /// <summary>Why this adapter cannot be merged; null if it can.</summary>
    public virtual string? MergeProblem => null;
}

using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter's part in one layer.</summary>
internal abstract class LayerAdapter
{
    /// <summary>Its parameters; <see cref="Adapter"/> fills in their path.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>Its tensors in the adapter's file: the parameters, unless a method saves something else.</summary>
    public virtual IEnumerable<SavedEntry> Entries(string path) =>
        Parameters.Select(parameter => SavedEntry.Of(parameter with { Path = path }));

    /// <summary>The layer's output with this adapter alone.</summary>
    /// <param name="x">(…, in)</param>
    /// <returns>(…, out)</returns>
    public abstract Tensor Forward(Tensor x);

    /// <summary>The layer's output with several adapters: adds this one's change to y.</summary>
    /// <param name="x">The layer's input, (…, in).</param>
    /// <param name="y">The layer's output with the adapters before this one, (…, out).</param>
    public abstract Tensor AddTo(Tensor x, Tensor y);

    /// <summary>The low-rank updates whose sum is all that this adapter adds, so that one fused op can run several adapters and layers;
    /// null if it does anything else.</summary>
    public virtual IEnumerable<LowRankUpdate>? LowRankUpdates() => null;

    /// <summary>Merges this adapter into copies of the layer's weight and bias.</summary>
    /// <param name="weight">F32, in the layer's own layout; changed in place.</param>
    /// <param name="bias">F32; changed in place. Null without one.</param>
    /// <param name="plain">A copy of the weight without any merge, for methods whose update depends on it; null if weight is that
    /// already.</param>
    /// <returns>Whether the bias changed.</returns>
    public abstract bool Merge(Tensor weight, Tensor? bias, Tensor? plain);

    /// <summary>Frees tensors other than its parameters.</summary>
    public virtual void Free() { }

    /// <summary>Why this adapter cannot be merged; null if it can.</summary>
    public virtual string? MergeProblem => null;
}

using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>An adapter's part on one layer.</summary>
internal abstract class LayerAdapter
{
    /// <summary>The parameters; <see cref="Adapter"/> adds their path.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>The tensors in the adapter's file: by default the parameters.</summary>
    public virtual IEnumerable<SavedEntry> Entries(string path) =>
        Parameters.Select(parameter => SavedEntry.Of(parameter with { Path = path }));

    /// <summary>Computes the layer's output with this adapter alone.</summary>
    /// <param name="x">(…, in)</param>
    /// <returns>(…, out)</returns>
    public abstract Tensor Forward(Tensor x);

    /// <summary>Adds this adapter's update to the layer's output, for several adapters on one layer.</summary>
    /// <param name="x">The layer's input, (…, in).</param>
    /// <param name="y">The layer's output with the adapters before this one, (…, out).</param>
    public abstract Tensor AddTo(Tensor x, Tensor y);

    /// <summary>The low-rank updates whose sum is all that this adapter adds, so that one fused op can run several adapters and layers;
    /// null if it computes anything else.</summary>
    public virtual IEnumerable<LowRankUpdate>? LowRankUpdates() => null;

    /// <summary>Merges this adapter into copies of the layer's weight and bias.</summary>
    /// <param name="weight">F32, as a matrix in the layer's own layout; changed in place.</param>
    /// <param name="bias">F32; changed in place. Null without one.</param>
    /// <param name="plain">A copy of the weight without any merge, for methods whose update depends on it; null if
    /// <paramref name="weight"/> has none.</param>
    /// <returns>Whether the bias changed.</returns>
    public abstract bool Merge(Tensor weight, Tensor? bias, Tensor? plain);

    /// <summary>Frees tensors that are not parameters.</summary>
    public virtual void Free() { }

    /// <summary>The reason why this adapter cannot be merged; null if it can.</summary>
    public virtual string? MergeProblem => null;
}

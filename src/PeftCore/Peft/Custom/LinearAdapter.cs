using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Base of an externally defined method on one linear layer: a forward hook with its own parameters. Merging is derived from the
/// hook f if that is affine in x for y = x·Wᵀ + b: ΔWᵀ[i, :] = (f(eᵢ) − f(0)) − (y(eᵢ) − y(0)) with the unit vectors eᵢ, then
/// b = f(0).</summary>
/// <param name="site">The layer, as passed to <see cref="LinearAdapterConfig.CreateAdapter"/>.</param>
public abstract class LinearAdapter(AdapterSite site)
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];

    /// <summary>The reason why this adapter cannot be merged, such as "it is not linear"; null if it can.</summary>
    public virtual string? MergeProblem => null;

    internal IReadOnlyList<(string Name, Parameter Parameter)> Parameters => _parameters;

    /// <summary>The layer's output with this adapter.</summary>
    /// <param name="x">The layer's input, (…, in).</param>
    /// <param name="y">The output so far, (…, out): the layer's own, or the result of other active adapters.</param>
    /// <returns>(…, out)</returns>
    public abstract Tensor Forward(Tensor x, Tensor y);

    /// <summary>Adds a trained F32 parameter.</summary>
    /// <param name="name">The name in the file, after the layer's path.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="standardDeviation">Standard deviation of the normal initial values; 0 for zeros.</param>
    protected Parameter Add(string name, Shape shape, float standardDeviation = 0)
    {
        var parameter = site.NewParameter(shape, standardDeviation);
        _parameters.Add((name, parameter));
        return parameter;
    }
}

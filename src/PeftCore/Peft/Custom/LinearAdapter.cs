using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Base of a method from outside on one linear layer: a forward hook with parameters of its own. Merging follows from the hook,
/// as long as that is affine in x for y = x·Wᵀ + b: the rows of ΔWᵀ are what it makes of unit vectors, Δb what it makes of zero.</summary>
/// <param name="site">The layer, as <see cref="LinearAdapterConfig.CreateAdapter"/> gets it.</param>
public abstract class LinearAdapter(AdapterSite site)
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];

    /// <summary>Why this adapter cannot be merged, such as "it is not linear"; null if it can.</summary>
    public virtual string? MergeProblem => null;

    internal IReadOnlyList<(string Name, Parameter Parameter)> Parameters => _parameters;

    /// <summary>The layer's output with this adapter.</summary>
    /// <param name="x">The layer's input, (…, in).</param>
    /// <param name="y">Its output so far, (…, out): the layer's own, or what other active adapters made of that.</param>
    /// <returns>(…, out)</returns>
    public abstract Tensor Forward(Tensor x, Tensor y);

    /// <summary>Adds a parameter that trains, F32.</summary>
    /// <param name="name">Its name in the file, which follows the layer's path.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="standardDeviation">Deviation of the normal numbers it starts from; 0 for zeros.</param>
    protected Parameter Add(string name, Shape shape, float standardDeviation = 0)
    {
        var parameter = site.NewParameter(shape, standardDeviation);
        _parameters.Add((name, parameter));
        return parameter;
    }
}

using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>The optimizer's state of one parameter.</summary>
internal sealed class ParameterState
{
    internal ParameterState(string name, Parameter parameter, float weightDecay, IReadOnlyList<(string Name, Tensor Value)> moments)
    {
        (Name, Parameter, WeightDecay, Moments) = (name, parameter, weightDecay, moments);
    }

    /// <summary>The parameter's name.</summary>
    public string Name { get; }

    /// <summary>The parameter.</summary>
    public Parameter Parameter { get; }

    /// <summary>Weight decay λ of this parameter; 0 for none.</summary>
    public float WeightDecay { get; }

    /// <summary>Number of updates. A step in which the parameter has no gradient is not counted, as in torch.</summary>
    public long Steps { get; internal set; }

    /// <summary>The moments, F32 of the parameter's shape, under torch's names such as "exp_avg".</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Moments { get; }

    /// <summary>Restores saved values.</summary>
    /// <param name="steps">The saved <see cref="Steps"/>.</param>
    /// <param name="moment">Returns the source of the saved bytes of a moment by its name.</param>
    internal void Restore(long steps, Func<string, ChunkedTransfer.Source> moment)
    {
        foreach (var (name, value) in Moments)
        {
            value.Upload(moment(name));
        }
        Steps = steps;
    }
}

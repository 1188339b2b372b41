using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>What an optimizer remembers about one parameter.</summary>
public sealed class ParameterState
{
    internal ParameterState(string name, Parameter parameter, float weightDecay, IReadOnlyList<(string Name, Tensor Value)> moments)
    {
        (Name, Parameter, WeightDecay, Moments) = (name, parameter, weightDecay, moments);
    }

    /// <summary>The parameter's name.</summary>
    public string Name { get; }

    /// <summary>The parameter.</summary>
    public Parameter Parameter { get; }

    /// <summary>How strongly this parameter decays; 0 for one the decay leaves out.</summary>
    public float WeightDecay { get; }

    /// <summary>How many steps have changed it. Steps that found no gradient do not count, as in torch.</summary>
    public long Steps { get; internal set; }

    /// <summary>Running averages, F32 of the parameter's shape, under torch's names such as "exp_avg".</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Moments { get; }

    /// <summary>Puts saved values in place of what is remembered.</summary>
    /// <param name="steps">The saved <see cref="Steps"/>.</param>
    /// <param name="moment">Gives the saved bytes of a moment by its name.</param>
    internal void Restore(long steps, Func<string, byte[]> moment)
    {
        foreach (var (name, value) in Moments)
        {
            ((Backends.IBackend)value.Device).Upload(moment(name), value);
        }
        Steps = steps;
    }
}

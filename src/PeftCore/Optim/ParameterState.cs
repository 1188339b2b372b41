using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>The tensors of the optimizer's state of one parameter.</summary>
/// <param name="Moments">What a step changes, by torch's or bitsandbytes' names, such as "exp_avg" or "state1".</param>
/// <param name="Tables">Constants that say what the moments mean, such as "qmap1". Parameters share them.</param>
internal readonly record struct StateTensors(IReadOnlyList<Moment> Moments,
    IReadOnlyList<(string Name, Tensor Value)> Tables);

/// <summary>The optimizer's state of one parameter.</summary>
internal sealed class ParameterState
{
    internal ParameterState(string name, Parameter parameter, float weightDecay, double rateFactor, in StateTensors tensors)
    {
        (Name, Parameter, WeightDecay, RateFactor, Moments, Tables) =
            (name, parameter, weightDecay, rateFactor, tensors.Moments, tensors.Tables);
    }

    /// <summary>The parameter's name.</summary>
    public string Name { get; }

    /// <summary>The parameter.</summary>
    public Parameter Parameter { get; }

    /// <summary>Weight decay λ of this parameter; 0 for none.</summary>
    public float WeightDecay { get; }

    /// <summary>Factor of the learning rate of this parameter: 1 but in <see cref="LoraPlus"/>.</summary>
    public double RateFactor { get; }

    /// <summary>Number of updates. A step in which the parameter has no gradient is not counted, as in torch.</summary>
    public long Steps { get; internal set; }

    /// <inheritdoc cref="StateTensors.Moments"/>
    public IReadOnlyList<Moment> Moments { get; }

    /// <inheritdoc cref="StateTensors.Tables"/>
    public IReadOnlyList<(string Name, Tensor Value)> Tables { get; }

    /// <summary>Restores saved values.</summary>
    /// <param name="steps">The saved <see cref="Steps"/>.</param>
    /// <param name="moment">Returns the source of the saved bytes of a moment by its name.</param>
    internal void Restore(long steps, Func<string, ChunkedTransfer.Source> moment)
    {
        foreach (var one in Moments)
        {
            using var resident = one.Resident();
            one.Value.Upload(moment(one.Name));
        }
        Steps = steps;
    }
}

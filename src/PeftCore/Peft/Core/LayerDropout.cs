using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft;

/// <summary>Dropout at one site of an adapter. The mask is a function of seed, site and step, so backward and recomputation get the same
/// one.</summary>
/// <param name="Mode">Mode, seed and step of the model.</param>
/// <param name="Probability">Probability that an element is dropped.</param>
/// <param name="Site">The site's number: that of a layer, or one from <see cref="FirstSiteAfterLayers"/> on.</param>
internal readonly record struct LayerDropout(RunMode Mode, float Probability, ulong Site)
{
    /// <summary>The first index of sites that are not layers, far above those of layers.</summary>
    public const ulong FirstSiteAfterLayers = 0x7FE000;

    private const int StepBits = 40;

    /// <summary>Dropout on one layer's update.</summary>
    public LayerDropout(Layer layer, float probability, ulong site) : this(layer.Mode, probability, site)
    {
    }

    /// <summary>The key of the current step's mask; no dropout in evaluation mode.</summary>
    public DropoutKey Now => Probability > 0 && Mode.Training ? new DropoutKey(Probability, Mode.Seed, Stream) : default;

    /// <summary>The random stream of this site and step.</summary>
    public ulong Stream => (Site << StepBits) | (Mode.Step & ((1UL << StepBits) - 1));
}

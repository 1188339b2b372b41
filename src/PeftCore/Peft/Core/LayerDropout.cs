using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft;

/// <summary>Dropout at one place of an adapter: another mask at each place and step, the same one whenever it is asked for.</summary>
/// <param name="Mode">How the model runs.</param>
/// <param name="Probability">How likely an element is dropped.</param>
/// <param name="Site">The place's number: that of a layer, or one above <see cref="FirstBesideLayers"/>.</param>
internal readonly record struct LayerDropout(RunMode Mode, float Probability, ulong Site)
{
    /// <summary>Numbers of places that are no layers begin here, far above those of layers.</summary>
    public const ulong FirstBesideLayers = 0x7FE000;

    private const int StepBits = 40;

    /// <summary>Dropout on one layer's update.</summary>
    public LayerDropout(Layer layer, float probability, ulong site) : this(layer.Mode, probability, site)
    {
    }

    /// <summary>The mask of this step; none outside of training.</summary>
    public DropoutKey Now => Probability > 0 && Mode.Training ? new DropoutKey(Probability, Mode.Seed, Stream) : default;

    /// <summary>A stream of random numbers of this layer and step.</summary>
    public ulong Stream => (Site << StepBits) | (Mode.Step & ((1UL << StepBits) - 1));
}

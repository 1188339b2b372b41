using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft;

/// <summary>Dropout on one layer's update: another mask at each layer and step, the same one whenever it is asked for.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Probability">How likely an element is dropped.</param>
/// <param name="Site">The layer's number.</param>
internal readonly record struct LayerDropout(Layer Layer, float Probability, ulong Site)
{
    private const int StepBits = 40;

    /// <summary>The mask of this step; none outside of training.</summary>
    public DropoutKey Now => Probability > 0 && Layer.Mode.Training ? new DropoutKey(Probability, Layer.Mode.Seed, Stream) : default;

    /// <summary>A stream of random numbers of this layer and step.</summary>
    public ulong Stream => (Site << StepBits) | (Layer.Mode.Step & ((1UL << StepBits) - 1));
}

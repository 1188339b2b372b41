using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>down(f(gate(x))·up(x)) (Shazeer 2020, "GLU Variants Improve Transformer").</summary>
internal sealed class GatedMlp : Layer
{
    private readonly Func<Tensor, Tensor, Tensor> _gated;
    private readonly Linear _gate;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Declares the layer with a hidden layer of the spec's size, or of another for an expert.</summary>
    public GatedMlp(DecoderSpec spec, int? intermediateSize = null)
    {
        int inner = intermediateSize ?? spec.IntermediateSize;
        _gated = Activations.Gate(spec.Activation);
        _gate = Add(spec.Names.Gate, new Linear(spec.HiddenSize, inner, spec.MlpBias));
        _up = Add(spec.Names.Up, new Linear(spec.HiddenSize, inner, spec.MlpBias));
        _down = Add(spec.Names.Down, new Linear(inner, spec.HiddenSize, spec.MlpBias));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        var parts = Linear.ForwardFused(x, _gate, _up);
        return _down.Forward(_gated(parts[0], parts[1]));
    }
}

/// <summary>As <see cref="GatedMlp"/>, with gate and up as the halves of one projection.</summary>
internal sealed class FusedGatedMlp : Layer
{
    private readonly Func<Tensor, Tensor, Tensor> _gated;
    private readonly int _inner;
    private readonly Linear _gateUp;
    private readonly Linear _down;

    /// <summary>Declares the layer.</summary>
    public FusedGatedMlp(DecoderSpec spec)
    {
        (_gated, _inner) = (Activations.Gate(spec.Activation), spec.IntermediateSize);
        _gateUp = Add(spec.Names.GateUp, new Linear(spec.HiddenSize, 2 * _inner, spec.MlpBias));
        _down = Add(spec.Names.Down, new Linear(_inner, spec.HiddenSize, spec.MlpBias));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        var both = _gateUp.Forward(x); // (B, T, 2·inner)
        return _down.Forward(_gated(both.Columns(0, _inner), both.Columns(_inner, _inner)));
    }
}

/// <summary>down(f(up(x))).</summary>
internal sealed class PlainMlp : Layer
{
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Declares the layer.</summary>
    public PlainMlp(DecoderSpec spec)
    {
        _activation = Activations.Apply(spec.Activation);
        _up = Add(spec.Names.Up, new Linear(spec.HiddenSize, spec.IntermediateSize, spec.MlpBias, spec.TransposedWeights));
        _down = Add(spec.Names.Down, new Linear(spec.IntermediateSize, spec.HiddenSize, spec.MlpBias, spec.TransposedWeights));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => _down.Forward(_activation(_up.Forward(x)));
}

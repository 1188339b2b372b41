using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpPeer;

/// <summary>y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ with W and b frozen; x has two dimensions, so that products go to
/// the BLAS as they are.</summary>
internal sealed class LoraLinear
{
    private readonly Tensor _weight;
    private readonly Tensor? _bias;
    private readonly Tensor? _a;
    private readonly Tensor? _b;
    private readonly float _scale;

    /// <summary>Creates the layer, with an adapter if <paramref name="rank"/> is positive, under the base's name unless
    /// <paramref name="adapter"/> is another.</summary>
    public LoraLinear(Weights weights, string name, long inputs, long outputs, bool bias, int rank = 0, float alpha = 8,
        string? adapter = null)
    {
        _weight = weights.Frozen(name + ".weight", outputs, inputs);
        _bias = bias ? weights.Frozen(name + ".bias", outputs) : null;
        if (rank > 0)
        {
            adapter = "base_model.model." + (adapter ?? name);
            _a = weights.Trainable(adapter + ".lora_A.weight", zero: false, rank, inputs);
            _b = weights.Trainable(adapter + ".lora_B.weight", zero: true, outputs, rank);
            _scale = alpha / rank;
        }
    }

    private LoraLinear(Tensor weight, Tensor bias) => (_weight, _bias) = (weight, bias);

    /// <summary>A layer without an adapter whose weight and bias train.</summary>
    public static LoraLinear Trained(Weights weights, string name, long inputs, long outputs) =>
        new(weights.Trainable($"base_model.model.{name}.weight", zero: false, outputs, inputs),
            weights.Trainable($"base_model.model.{name}.bias", zero: true, outputs));

    /// <summary>(rows, inputs) to (rows, outputs).</summary>
    public Tensor Forward(Tensor x)
    {
        var y = functional.linear(x, _weight, _bias);
        // In place: one pass over y less than a sum of two tensors.
        return _a is null ? y : y.addmm_(x.mm(_a.t()), _b!.t(), 1, _scale);
    }
}

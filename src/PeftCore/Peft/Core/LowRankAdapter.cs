using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A method whose update of a linear layer is a low-rank product: y = x·Wᵀ + b + s·((x·Aᵀ)∘m)·Bᵀ, with A and B computed from the
/// method's parameters. It runs in LoRA's fused op, alone or with other low-rank updates.</summary>
internal abstract class LowRankAdapter(Linear layer, LayerDropout dropout) : DeltaAdapter(layer)
{
    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(x.LoraLinear(Layer.Weight.Value, Layer.Bias?.Value, Layer.Transposed, Update(dropout.Now)));
    }

    public override IEnumerable<LowRankUpdate> LowRankUpdates() => [Update(dropout.Now)];

    /// <summary>A, B, s and m, computed from the current parameters.</summary>
    protected abstract LowRankUpdate Update(DropoutKey dropout);

    protected override Tensor Delta(Tensor x, Tensor weight) => Apply(x, Update(dropout.Now));

    /// <summary>The update alone, in plain ops: s·((x·Aᵀ)∘m)·Bᵀ.</summary>
    public static Tensor Apply(Tensor x, LowRankUpdate update)
    {
        var xA = x.Dropout(update.Dropout).Linear(update.A);
        return (update.Diagonal is { } diagonal ? xA.MultiplyRow(diagonal) : xA).Linear(update.B, update.Bias) * update.Scale;
    }
}

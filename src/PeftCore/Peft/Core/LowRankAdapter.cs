using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A method whose update of a weight matrix is a low-rank product: y = x·Wᵀ + b + s·((x·Aᵀ)∘m)·Bᵀ, with A and B computed from the
/// method's parameters. It runs in LoRA's fused op, alone or with other low-rank updates.</summary>
internal abstract class LowRankAdapter(MatrixLayer layer, LayerDropout dropout) : DeltaAdapter(layer)
{
    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(Layer.WithUpdates(x, Layer.Bias?.Value, Update(dropout.Now)));
    }

    public override IEnumerable<LowRankUpdate> LowRankUpdates() => [Update(dropout.Now)];

    /// <summary>A, B, s and m, computed from the current parameters.</summary>
    protected abstract LowRankUpdate Update(DropoutKey dropout);

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(y + Apply(Layer, x, Update(dropout.Now)));
    }

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var update = Update(dropout.Now);
        return Up(x.Dropout(update.Dropout).Linear(update.A), update);
    }

    /// <summary>The update alone, in plain ops: s·((r·Aᵀ)∘m)·Bᵀ.</summary>
    public static Tensor Apply(MatrixLayer layer, Tensor x, LowRankUpdate update) =>
        Up(layer.Project(x.Dropout(update.Dropout), update.A), update);

    private static Tensor Up(Tensor xA, LowRankUpdate update) =>
        (update.Diagonal is { } diagonal ? xA.MultiplyRow(diagonal) : xA).Linear(update.B, update.Bias) * update.Scale;
}

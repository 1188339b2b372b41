using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Ia3;

/// <summary>(IA)³ (Liu et al. 2022) on one linear layer: y = (x·Wᵀ + b)∘l, or y = (x∘l)·Wᵀ + b on a feed-forward layer, with a trained
/// vector l, initially all ones. Merged: W' = diag(l)·W and b' = l∘b, or W' = W·diag(l).</summary>
internal sealed class Ia3Adapter(Linear layer, Parameter scale, bool scalesInput) : LayerAdapter
{
    public override IEnumerable<AdapterParameter> Parameters => [new("", "ia3_l.{0}", "ia3_l", scale)];

    public override Tensor Forward(Tensor x) => scalesInput ? layer.Compute(x.MultiplyRow(scale.Value)) : layer.Compute(x)
        .MultiplyRow(scale.Value);

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(scalesInput ? y + (Forward(x) - layer.Compute(x)) : y.MultiplyRow(scale.Value));
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        var backend = weight.Backend;
        if (scalesInput && plain is not null)
        {
            // Updates merged earlier read x, not x∘l: only the base weight is scaled, W' = W + plain·diag(l) − plain.
            backend.Scale(plain, -1, weight, accumulate: true);
            Scale(plain);
            backend.Add(weight, plain, weight);
            return false;
        }
        Scale(weight);
        if (bias is null || scalesInput)
        {
            return false;
        }
        backend.MultiplyRow(bias, scale.Value, bias, false);
        return true;
    }

    /// <summary>Scales the columns of x or of y in a weight, in place and in the layer's own layout.</summary>
    private void Scale(Tensor weight)
    {
        if (scalesInput == layer.Transposed)
        {
            weight.Backend.MultiplyColumn(weight, scale.Value, weight, false);
        }
        else
        {
            weight.Backend.MultiplyRow(weight, scale.Value, weight, false);
        }
    }
}

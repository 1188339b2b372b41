using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Ia3;

/// <summary>(IA)³ (Liu et al. 2022) on one linear layer or convolution: y = (x·Wᵀ + b)∘l, or y = (x∘l)·Wᵀ + b on a feed-forward layer,
/// with a trained vector l, initially all ones. Merged: W' = diag(l)·W and b' = l∘b, or W' = W·diag(l). In a convolution l scales
/// channels.</summary>
internal sealed class Ia3Adapter(MatrixLayer layer, Parameter scale, bool scalesInput) : LayerAdapter
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

    /// <summary>The shape of l in the file: (1, in) or (out, 1), in a convolution (1, channels, 1, 1).</summary>
    public static Shape ShapeOf(string path, MatrixLayer layer, bool scalesInput) => layer switch
    {
        Convolution { Spec.Axes: 1 } => throw new BadInputException(
            $"target modules: \"{path}\" is a convolution over sequences, for which (IA)³ has no form; leave it out"),
        Convolution => [1, scalesInput ? layer.Channels : layer.Outputs, 1, 1],
        _ => scalesInput ? [1, layer.Inputs] : [layer.Outputs, 1],
    };

    /// <summary>Scales the columns of x or of y in a weight, in place and in the layer's own layout.</summary>
    private void Scale(Tensor weight)
    {
        using var scope = new TensorScope();
        if (scalesInput == layer.Transposed)
        {
            weight.Backend.MultiplyColumn(weight, scale.Value, weight, false);
        }
        else
        {
            weight.Backend.MultiplyRow(weight, scalesInput ? OfRows() : scale.Value, weight, false);
        }
    }

    /// <summary>l of each column of the rows: that of its channel, for every position of the kernel.</summary>
    private Tensor OfRows()
    {
        int taps = layer.Inputs / layer.Channels;
        if (taps == 1)
        {
            return scale.Value;
        }
        var backend = scale.Value.Backend;
        var ones = backend.NewTensor([1, taps]);
        backend.Fill(ones, 1);
        var repeated = backend.NewTensor([layer.Channels, taps]);
        backend.MatMul(scale.Value.View([layer.Channels, 1]), false, ones, false, repeated);
        return repeated.View([layer.Inputs]);
    }
}

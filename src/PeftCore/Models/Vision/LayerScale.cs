using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Layer scale (Touvron et al. 2021): a learned factor of each column of a sublayer's output.</summary>
internal sealed class LayerScale : Layer
{
    /// <summary>Declares the factors.</summary>
    public LayerScale(int columns) => Add("lambda1", new Parameter([columns]));

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(x.MultiplyRow(OwnParameter("lambda1")!.Value.Cast(DType.F32)));
    }
}

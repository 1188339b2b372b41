using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Layer scale (Touvron et al. 2021): a learned factor of each column of a sublayer's output.</summary>
internal sealed class LayerScale : Layer
{
    /// <summary>The name of the factors.</summary>
    public const string Factors = "lambda1";

    /// <summary>Declares the factors.</summary>
    public LayerScale(int columns) => Add(Factors, new Parameter([columns]));

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(x.MultiplyRow(OwnParameter(Factors)!.Value.Cast(DType.F32)));
    }
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A method that rotates the rows of a layer: y = (r·R)·Wᵀ + b with an orthogonal R. With other adapters it adds
/// (r·R − r)·Wᵀ.</summary>
internal abstract class RotationAdapter(MatrixLayer layer) : DeltaAdapter(layer)
{
    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(Layer.OfRows(Rotate(Layer.Rows(x))));
    }

    protected override bool DependsOnWeight => true;

    /// <summary>r·R for rows r (…, in).</summary>
    protected abstract Tensor Rotate(Tensor x);

    protected override Tensor Delta(Tensor x, Tensor weight) => (Rotate(x) - x).Linear(weight, null, Layer.Transposed);
}

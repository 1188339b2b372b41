using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A method that rotates the input of a linear layer: y = (x·R)·Wᵀ + b with an orthogonal R. With other adapters it adds
/// (x·R − x)·Wᵀ.</summary>
internal abstract class RotationAdapter(Linear layer) : DeltaAdapter(layer)
{
    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(Layer.Compute(Rotate(x)));
    }

    protected override bool DependsOnWeight => true;

    /// <summary>x·R.</summary>
    protected abstract Tensor Rotate(Tensor x);

    protected override Tensor Delta(Tensor x, Tensor weight) => (Rotate(x) - x).Linear(weight, null, Layer.Transposed);
}

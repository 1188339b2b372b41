using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>A method that adds a linear map to a linear layer or a convolution: y = r·Wᵀ + b + Δ(r) with the rows r of x, which are its
/// patches in a convolution. A method implements Δ; merging is derived from it, because row i of ΔWᵀ is Δ of the i-th unit
/// vector.</summary>
/// <param name="layer">The layer.</param>
internal abstract class DeltaAdapter(MatrixLayer layer) : LayerAdapter
{
    /// <summary>The layer.</summary>
    protected MatrixLayer Layer => layer;

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(layer.Compute(x) + Delta(layer.Rows(x), layer.Matrix));
    }

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(y + Delta(layer.Rows(x), layer.Matrix));
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain) => Tape.NoGrad(() =>
    {
        var backend = weight.Backend;
        using var scope = new TensorScope();
        using var evalMode = new EvalModeScope(layer.Mode);
        // Methods that scale or rotate the weight need its values as they are before this loop.
        var original = DependsOnWeight ? plain ?? Copy(weight) : layer.Matrix;
        for (int first = 0; first < layer.Inputs; first += UnitVectors.MostOf(layer.Inputs))
        {
            using var piece = new TensorScope();
            var unit = UnitVectors.From(backend, layer.Inputs, first);
            int count = unit.Shape[0];
            var rows = Delta(unit, original); // (count, out): rows of ΔWᵀ
            if (layer.Transposed)
            {
                var part = weight.View([count, layer.Outputs], (long)first * layer.Outputs);
                backend.Add(part, rows, part);
            }
            else
            {
                backend.MatMul(rows, true, unit, false, weight, 1, accumulate: true);
            }
        }
        return false;
    });

    /// <summary>Whether the update depends on the weight it is added to.</summary>
    protected virtual bool DependsOnWeight => false;

    /// <summary>Δ(r) without a bias.</summary>
    /// <param name="x">The rows r, (…, in).</param>
    /// <param name="weight">The base weight as a matrix in the layer's own layout, for methods that depend on it.</param>
    /// <returns>(…, out)</returns>
    protected abstract Tensor Delta(Tensor x, Tensor weight);

    private static Tensor Copy(Tensor weight)
    {
        var copy = weight.NewLike(weight.Shape, weight.DType, MemoryKind.Workspace);
        weight.Backend.Copy(weight, copy);
        return copy;
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Wraps an externally defined <see cref="LinearAdapter"/> as a <see cref="LayerAdapter"/>.</summary>
internal sealed class LinearAdapterLayer(Linear layer, LinearAdapter adapter) : LayerAdapter
{
    public override IEnumerable<AdapterParameter> Parameters =>
        adapter.Parameters.Select(p => new AdapterParameter("", p.Name + ".{0}", p.Name, p.Parameter));

    public override string? MergeProblem => adapter.MergeProblem;

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Return(adapter.Forward(x, layer.Compute(x)));
    }

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(adapter.Forward(x, y));
    }

    /// <summary>W += ΔW with ΔWᵀ[i, :] = (f(eᵢ) − f(0)) − (y(eᵢ) − y(0)), then b = f(0), where f is the hook and y the layer.</summary>
    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain) => Tape.NoGrad(() =>
    {
        var backend = weight.Backend;
        using var scope = new TensorScope();
        using var evaluation = new EvalModeScope(layer.Mode);
        var (zero, constant) = (Layer(backend.Zeros([1, layer.Inputs])), Adapted(backend.Zeros([1, layer.Inputs])));
        bool changesBias = constant.ToFloats().Zip(zero.ToFloats()).Any(pair => !pair.First.Equals(pair.Second));
        if (changesBias && bias is null)
        {
            throw new BadInputException($"an adapter on \"{layer.Name}\" adds a constant, and the layer has no bias to merge it into");
        }
        var offset = (constant - zero).Reshape([layer.Outputs]);
        for (int first = 0; first < layer.Inputs; first += UnitVectors.MostOf(layer.Inputs))
        {
            using var piece = new TensorScope();
            var unit = UnitVectors.From(backend, layer.Inputs, first);
            var rows = (Adapted(unit) - Layer(unit)).AddRow(-offset); // (count, out): rows of ΔWᵀ
            var (a, b) = layer.Transposed ? (unit, rows) : (rows, unit);
            backend.MatMul(a, true, b, false, weight, 1, accumulate: true);
        }
        if (changesBias)
        {
            backend.Copy(constant.Reshape([layer.Outputs]), bias!);
        }
        return changesBias;

        Tensor Layer(Tensor x) => x.Linear(weight, bias, layer.Transposed);

        Tensor Adapted(Tensor x) => adapter.Forward(x, Layer(x));
    });
}

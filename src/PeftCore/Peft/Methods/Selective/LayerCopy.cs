using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Selective;

/// <summary>LN tuning (Zhao et al. 2023) on one layer, which is a norm by default: a trained copy of the layer's weight and bias replaces
/// them. Merged: the copies.</summary>
internal sealed class LayerCopy : LayerAdapter
{
    private readonly Layer _layer;
    private readonly ParameterCopy _weight;
    private readonly ParameterCopy? _bias;

    public LayerCopy(Layer layer, AttachContext context)
    {
        _layer = layer;
        _weight = Of("weight")!;
        _bias = Of("bias");

        ParameterCopy? Of(string name) => layer.OwnParameter(name) is { } original
            ? new(name, original, context.NewCopy(original, layer.Name))
            : null;
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        new[] { _weight, _bias }.OfType<ParameterCopy>()
        .Select(copy => new AdapterParameter("", "ln_tuning_layers.{0}." + copy.Name, "ln_tuning_layers." + copy.Name, copy.Value));

    public override Tensor Forward(Tensor x) => _layer switch
    {
        RmsNorm norm => norm.With(x, _weight.Value.Value),
        LayerNorm norm => norm.With(x, _weight.Value.Value, _bias?.Value.Value),
        Embedding => _weight.Value.Value.Rows(x),
        Linear linear => x.Linear(_weight.Value.Value, _bias?.Value.Value, linear.Transposed),
        _ => throw new InvalidOperationException($"LN tuning does not know a {_layer.GetType().Name}"),
    };

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(y + (Forward(x) - _layer.Compute(x)));
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        _weight.MergeInto(weight, alone: plain is null);
        _bias?.MergeInto(bias!, alone: plain is null);
        return _bias is not null;
    }

    /// <summary>A base parameter and the copy that trains.</summary>
    private sealed record ParameterCopy(string Name, Parameter Original, Parameter Value)
    {
        /// <summary>Replaces the merged parameter by the copy; if other adapters are merged already, adds copy − original.</summary>
        public void MergeInto(Tensor merged, bool alone)
        {
            var backend = merged.Backend;
            if (alone)
            {
                backend.Copy(Value.Value, merged);
                return;
            }
            using var scope = new TensorScope();
            var original = merged.NewLike(merged.Shape);
            backend.Cast(Original.Value, original);
            backend.Scale(original, -1, merged, accumulate: true);
            backend.Add(merged, Value.Value, merged);
        }
    }
}

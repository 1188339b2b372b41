using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on an embedding: row t becomes W[t] + s·A[:, t]·Bᵀ, with A (r, vocabulary) and B (dim, r). Dropout does not apply: a token
/// cannot be half there.</summary>
internal sealed class LoraEmbeddingAdapter(Embedding layer, Parameter a, Parameter b, Parameter? magnitude, float scale) : LayerAdapter
{
    private readonly Dora? _dora = magnitude is null ? null : new Dora(layer, magnitude);

    public Parameter A => a;

    public Parameter B => b;

    public float Scale => scale;

    public Dora? Magnitude => _dora;

    public override IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            yield return new("", "lora_embedding_A.{0}", "lora_embedding_A", a);
            yield return new("", "lora_embedding_B.{0}", "lora_embedding_B", b);
            if (_dora is not null)
            {
                yield return new("", "lora_magnitude_vector.{0}.weight", "lora_magnitude_vector", _dora.Magnitude);
            }
        }
    }

    private LowRankUpdate Branch => new(a.Value, b.Value, scale);

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        var y = layer.Compute(x) + Update(x);
        return scope.Return(_dora is null ? y : y.MultiplyRow(_dora.Ratio([Branch])));
    }

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(y + (_dora is null ? Update(x) : Forward(x) - layer.Compute(x)));
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        if (_dora is null)
        {
            AddDelta(weight);
        }
        else
        {
            _dora.Merge(weight, plain, AddDelta);
        }
        return false;
    }

    public override void Free() => _dora?.Free();

    private Tensor Update(Tensor x)
    {
        int r = a.Shape[0];
        var columns = a.Value.MatMul(Constants.Identity(a.Value.Backend, r), transposeA: true); // (vocabulary, r)
        return (columns.Rows(x).Linear(b.Value) * scale).Cast(columns.Backend.ActivationDType);
    }

    private void AddDelta(Tensor weight) => weight.Backend.MatMul(a.Value, true, b.Value, true, weight, scale, accumulate: true);
}

using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on an embedding: row t becomes W[t] + s·A[:, t]·Bᵀ, with A (r, vocabulary) and B (dim, r).</summary>
internal sealed class LoraEmbeddingAdapter(Embedding layer, Parameter a, Parameter b, float scale) : LayerAdapter
{
    public Parameter A => a;

    public Parameter B => b;

    public float Scale => scale;

    public override IEnumerable<AdapterParameter> Parameters =>
    [
        new("", "lora_embedding_A.{0}", "lora_embedding_A", a),
        new("", "lora_embedding_B.{0}", "lora_embedding_B", b),
    ];

    public override Tensor Forward(Tensor x) => AddTo(x, layer.Compute(x));

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        int r = a.Shape[0];
        var columns = a.Value.MatMul(Identity(r), transposeA: true); // (vocabulary, r)
        return scope.Return(y + columns.Rows(x).Linear(b.Value) * scale);
    }

    public override (Tensor Weight, Tensor? Bias) Merged(Tensor weight, Tensor? bias)
    {
        AddDelta(weight);
        return (weight, bias);
    }

    public void AddDelta(Tensor weight) => weight.Backend.MatMul(a.Value, true, b.Value, true, weight, scale, accumulate: true);

    private Tensor Identity(int r)
    {
        var identity = new float[r * r];
        for (int i = 0; i < r; i++)
        {
            identity[i * (r + 1)] = 1;
        }
        return a.Value.Backend.From(identity, [r, r]);
    }
}

using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Attention pooling (Lee et al. 2019, Set Transformer; Zhai et al. 2023, SigLIP): a learned query, the probe, attends to all
/// hidden states of a picture, y = Attention(probe, x, x), and the picture is y + MLP(norm(y)). Its projections to queries, keys and values
/// are one matrix, as in PyTorch's MultiheadAttention.</summary>
internal sealed class AttentionPooling : Module
{
    private readonly PreNormSpec _spec;
    private readonly Parameter _probe;
    private readonly Module _attention;
    private readonly Module _output;
    private readonly LayerNorm _norm;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Declares the layers.</summary>
    public AttentionPooling(PreNormSpec spec)
    {
        _spec = spec;
        int c = spec.HiddenSize, inner = spec.IntermediateSize;
        _probe = Add("probe", new Parameter([1, 1, c]));
        _attention = AddPath("attention.in_proj_weight", new Parameter([3 * c, c]));
        AddPath("attention.in_proj_bias", new Parameter([3 * c]));
        _output = AddPath("attention.out_proj.weight", new Parameter([c, c]));
        AddPath("attention.out_proj.bias", new Parameter([c]));
        _norm = Add("layernorm", new LayerNorm(c, spec.Epsilon));
        _up = AddPath("mlp.fc1", new Linear(c, inner, bias: true));
        _down = AddPath("mlp.fc2", new Linear(inner, c, bias: true));
    }

    /// <summary>Pools the hidden states of each picture.</summary>
    /// <param name="x">(B, N, C)</param>
    /// <param name="inputs">The batch, for the ranges of the attention.</param>
    /// <returns>(B, C)</returns>
    public Tensor Forward(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope(Name);
        int batch = x.Shape[0], tokens = x.Shape[1], c = _spec.HiddenSize, dim = c / _spec.Heads;
        var first = x.Backend.NewTensor([batch], DType.I32);
        x.Backend.Zero(first);
        var query = Projected(_probe.Value.Cast(x.DType).Reshape([1, c]), 0); // The same for all pictures.
        query = query.Rows(first).Reshape([batch, 1, c]);
        var options = new AttentionOptions(1 / MathF.Sqrt(dim), inputs.WholeRanges(1, tokens));
        var y = HeadsOf(query).Attend(HeadsOf(Projected(x, 1)), HeadsOf(Projected(x, 2)), options).Reshape([batch, c]);
        y = y.Linear(_output.OwnParameter("weight")!.Value, _output.OwnParameter("bias")!.Value);
        return scope.Return(y + _down.Forward(Activations.Apply(_spec.Activation)(_up.Forward(_norm.Forward(y)))));

        Heads HeadsOf(Tensor tensor) => new(tensor, _spec.Heads, dim);

        // Queries, keys and values are the first, second and third rows of one matrix.
        Tensor Projected(Tensor h, int part) => h.Linear(_attention.OwnParameter("in_proj_weight")!.Value.Slice(part * c, c),
            _attention.OwnParameter("in_proj_bias")!.Value.Slice(part * c, c));
    }

    /// <summary>Uploads what a pass reads, before it.</summary>
    public static void Upload(ModelInputs inputs) => inputs.WholeRanges(1, inputs.Length);
}

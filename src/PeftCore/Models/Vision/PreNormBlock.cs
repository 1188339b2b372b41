using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A block with a norm before each sublayer: x += λ₁·Attention(n₁(x)), then x += λ₂·MLP(n₂(x)). The factors λ of each column
/// (layer scale, Touvron et al. 2021) are left out in most models.</summary>
internal sealed class PreNormBlock : Module
{
    private const int ProbabilitySite = 0;
    private const int AttentionSite = 1;
    private const int MlpSite = 2;

    private readonly PreNormSpec _spec;
    private readonly int _index;
    private readonly int _site;
    private readonly Func<Tensor, Tensor> _mlp;
    private readonly LayerNorm _attentionNorm;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly LayerScale? _attentionScale;
    private readonly LayerNorm _mlpNorm;
    private readonly Linear _up;
    private readonly Linear _down;
    private readonly LayerScale? _mlpScale;

    /// <summary>Declares a block.</summary>
    /// <param name="spec">Sizes and names.</param>
    /// <param name="index">Number of the block in its stack.</param>
    /// <param name="site">Number of the block in the model, whose random masks differ from those of others.</param>
    public PreNormBlock(PreNormSpec spec, int index, int site)
    {
        (_spec, _index, _site) = (spec, index, site);
        _mlp = spec.Gated ? Gated(Activations.Gate(spec.Activation)) : Plain(Activations.Apply(spec.Activation));
        int c = spec.HiddenSize, inner = spec.IntermediateSize;
        var names = spec.Names;
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
        _attentionNorm = AddPath(names.AttentionNorm, new LayerNorm(c, spec.Epsilon));
        _query = AddPath(names.Query, new Linear(c, c, spec.QkvBias));
        _key = AddPath(names.Key, new Linear(c, c, spec.QkvBias));
        _value = AddPath(names.Value, new Linear(c, c, spec.QkvBias));
        _output = AddPath(names.Output, new Linear(c, c, bias: true));
        _attentionScale = Scale(names.AttentionScale);
        _mlpNorm = AddPath(names.MlpNorm, new LayerNorm(c, spec.Epsilon));
        _up = AddPath(names.Up, new Linear(c, spec.Gated ? 2 * inner : inner, bias: true));
        _down = AddPath(names.Down, new Linear(inner, c, bias: true));
        _mlpScale = Scale(names.MlpScale);

        LayerScale? Scale(string? name) => name is null ? null : AddPath(name, new LayerScale(c));
    }

    /// <summary>The residual sums.</summary>
    public BlockResiduals Residuals { get; }

    /// <summary>Runs the block: (B, T, C) to (B, T, C).</summary>
    public Tensor Forward(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope("layer." + Name);
        return scope.Return(AfterAttention(x, Attention(_attentionNorm.Forward(x), inputs)));
    }

    /// <summary>Runs the block for the first token of each row, which attends to all tokens: (B, T, C) to (B, 1, C). The twin of
    /// <see cref="Forward"/> for a last block of which a head reads nothing else.</summary>
    /// <param name="x">(B, T, C)</param>
    /// <param name="ranges">I32 (B, 1, 2): the keys [first, end) of the first token.</param>
    public Tensor ForwardFirst(Tensor x, Tensor ranges)
    {
        using var scope = new TensorScope("layer." + Name);
        var normed = _attentionNorm.Forward(x);
        return scope.Return(AfterAttention(FirstOf(x), AttentionOfFirst(FirstOf(normed), normed, ranges)));

        static Tensor FirstOf(Tensor tensor) => tensor.FirstTokens().Reshape([tensor.Shape[0], 1, tensor.Shape[2]]);
    }

    /// <summary>Adds the attention's output to the residual stream, then the MLP's.</summary>
    private Tensor AfterAttention(Tensor x, Tensor attention)
    {
        using var scope = new TensorScope();
        x = Residuals.Attention.Add(x, Scaled(attention.Dropout(DropoutAt(_spec.Dropout, AttentionSite)), _attentionScale));
        var h = Scaled(_mlp(_mlpNorm.Forward(x)).Dropout(DropoutAt(_spec.Dropout, MlpSite)), _mlpScale);
        return scope.Return(Residuals.FeedForward.Add(x, h));
    }

    private Tensor Attention(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope("attention");
        var qkv = Linear.ForwardFused(x, _query, _key, _value); // (B, T, C) each
        var options = new SelfAttentionOptions(1 / MathF.Sqrt(HeadDim))
        {
            Dropout = DropoutAt(_spec.ProbabilityDropout, ProbabilitySite),
        };
        return scope.Return(_output.Forward(inputs.Attend(_index, HeadsOf(qkv[0]), HeadsOf(qkv[1]), HeadsOf(qkv[2]), options)));
    }

    private Tensor AttentionOfFirst(Tensor first, Tensor x, Tensor ranges)
    {
        using var scope = new TensorScope("attention");
        var q = _query.Forward(first); // (B, 1, C)
        var kv = Linear.ForwardFused(x, _key, _value); // (B, T, C) each
        var options = new AttentionOptions(1 / MathF.Sqrt(HeadDim), ranges,
            Dropout: DropoutAt(_spec.ProbabilityDropout, ProbabilitySite));
        return scope.Return(_output.Forward(HeadsOf(q).Attend(HeadsOf(kv[0]), HeadsOf(kv[1]), options)));
    }

    private int HeadDim => _spec.HiddenSize / _spec.Heads;

    private Heads HeadsOf(Tensor tensor) => new(tensor, _spec.Heads, HeadDim);

    private Func<Tensor, Tensor> Plain(Func<Tensor, Tensor> activation) => x =>
    {
        using var scope = new TensorScope("mlp");
        return scope.Return(_down.Forward(activation(_up.Forward(x))));
    };

    private Func<Tensor, Tensor> Gated(Func<Tensor, Tensor, Tensor> gate) => x =>
    {
        using var scope = new TensorScope("mlp");
        int inner = _spec.IntermediateSize;
        var both = _up.Forward(x); // (B, T, 2·inner)
        return scope.Return(_down.Forward(gate(both.Columns(0, inner), both.Columns(inner, inner))));
    };

    private static Tensor Scaled(Tensor x, LayerScale? scale) => scale?.Forward(x) ?? x;

    private DropoutKey DropoutAt(float probability, int site) => LayerDropout.OfBase(Mode, probability, _site, site).Now;
}

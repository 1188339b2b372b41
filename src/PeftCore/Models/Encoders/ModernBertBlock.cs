using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A block of ModernBERT: x += Attention(n₁(x)), then x += Wo(f(a)·g) with (a, g) = Wi(n₂(x)). The first block has no n₁, because
/// the embeddings are normalised.</summary>
internal sealed class ModernBertBlock : Module
{
    private const int ProbabilitySite = 0;
    private const int AttentionSite = 1;
    private const int MlpSite = 2;

    // The tables of a model with short sequences do not grow batch by batch.
    private const int FirstTableRows = 512;

    private readonly ModernBertSpec _modern;
    private readonly EncoderSpec _spec;
    private readonly int _index;
    private readonly Rotary _rotary;
    private readonly Func<Tensor, Tensor, Tensor> _gate;
    private readonly LayerNorm? _attentionNorm;
    private readonly Linear _qkv;
    private readonly Linear _output;
    private readonly LayerNorm _mlpNorm;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Declares block <paramref name="index"/>.</summary>
    public ModernBertBlock(ModernBertSpec modern, int index, Rotary rotary)
    {
        (_modern, _spec, _index, _rotary) = (modern, modern.Encoder, index, rotary);
        _gate = Activations.Gate(_spec.Activation);
        int c = _spec.HiddenSize, inner = _spec.IntermediateSize;
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
        _attentionNorm = index == 0 ? null : Add("attn_norm", new LayerNorm(c, _spec.Epsilon, modern.NormBias));
        _qkv = AddPath("attn.Wqkv", new Linear(c, 3 * c, modern.AttentionBias));
        _output = AddPath("attn.Wo", new Linear(c, c, modern.AttentionBias));
        _mlpNorm = Add("mlp_norm", new LayerNorm(c, _spec.Epsilon, modern.NormBias));
        _up = AddPath("mlp.Wi", new Linear(c, 2 * inner, modern.MlpBias));
        _down = AddPath("mlp.Wo", new Linear(inner, c, modern.MlpBias));
    }

    /// <summary>The residual sums.</summary>
    public BlockResiduals Residuals { get; }

    /// <summary>Runs the block: (B, T, C) to (B, T, C).</summary>
    public Tensor Forward(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope("layers." + Name);
        var h = Attention(_attentionNorm is null ? x : _attentionNorm.Forward(x), inputs);
        x = Residuals.Attention.Add(x, h.Dropout(DropoutAt(_spec.ProbabilityDropout, AttentionSite)));
        return scope.Return(Residuals.FeedForward.Add(x, Mlp(_mlpNorm.Forward(x))));
    }

    private Tensor Attention(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope("attn");
        int c = _spec.HiddenSize;
        var qkv = _qkv.Forward(x); // (B, T, 3C)
        var tables = _rotary.Tables(x.Backend, Math.Max(inputs.Longest, Math.Min(_spec.MaxLength, FirstTableRows)), inputs.Longest);
        qkv = HeadsAt(qkv, 0).Rope(tables, inputs.Positions);
        qkv = HeadsAt(qkv, c).Rope(tables, inputs.Positions);
        var options = new SelfAttentionOptions(1 / MathF.Sqrt(c / _spec.Heads), _modern.Windows[_index])
        {
            Dropout = DropoutAt(_spec.ProbabilityDropout, ProbabilitySite),
        };
        return scope.Return(_output.Forward(inputs.Attend(_index, HeadsAt(qkv, 0), HeadsAt(qkv, c), HeadsAt(qkv, 2 * c), options)));
    }

    private Tensor Mlp(Tensor x)
    {
        using var scope = new TensorScope("mlp");
        int inner = _spec.IntermediateSize;
        var both = _up.Forward(x); // (B, T, 2·inner)
        var h = _gate(both.Columns(0, inner), both.Columns(inner, inner));
        return scope.Return(_down.Forward(h.Dropout(DropoutAt(_modern.MlpDropout, MlpSite))));
    }

    private DropoutKey DropoutAt(float probability, int site) => LayerDropout.OfBase(Mode, probability, _index, site).Now;

    private Heads HeadsAt(Tensor tensor, int offset) => new(tensor, _spec.Heads, _spec.HiddenSize / _spec.Heads, offset);
}

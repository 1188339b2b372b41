using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A block with a norm after each sublayer: x = n₁(x + Attention(x)), then x = n₂(x + MLP(x)).</summary>
internal sealed class PostNormBlock : Module
{
    private const int ProbabilitySite = 0;
    private const int AttentionSite = 1;
    private const int MlpSite = 2;
    private const int PositionSite = 3;

    private readonly EncoderSpec _spec;
    private readonly DisentangledPositions? _relative;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly float _scale;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly PositionLayers? _positionLayers;
    private readonly Linear _output;
    private readonly LayerNorm _attentionNorm;
    private readonly Linear _up;
    private readonly Linear _down;
    private readonly LayerNorm _outputNorm;

    /// <summary>Declares the block.</summary>
    /// <param name="spec">Sizes and names.</param>
    /// <param name="relative">Relative positions that all blocks share; null for none.</param>
    public PostNormBlock(EncoderSpec spec, DisentangledPositions? relative)
    {
        (_spec, _relative) = (spec, relative);
        _activation = Activations.Apply(spec.Activation);
        int c = spec.HiddenSize;
        _scale = 1 / MathF.Sqrt(c / spec.Heads * (relative?.Terms ?? 1));
        var names = spec.Names;
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
        _query = AddPath(names.Query, new Linear(c, c, bias: true));
        _key = AddPath(names.Key, new Linear(c, c, bias: true));
        _value = AddPath(names.Value, new Linear(c, c, bias: true));
        _positionLayers = relative?.LayersOf(_query, _key, (path, layer) => AddPath(path, layer));
        _output = AddPath(names.Output, new Linear(c, c, bias: true));
        _attentionNorm = AddPath(names.AttentionNorm, new LayerNorm(c, spec.Epsilon));
        _up = AddPath(names.Up, new Linear(c, spec.IntermediateSize, bias: true));
        _down = AddPath(names.Down, new Linear(spec.IntermediateSize, c, bias: true));
        _outputNorm = AddPath(names.OutputNorm, new LayerNorm(c, spec.Epsilon));
    }

    /// <summary>The residual sums.</summary>
    public BlockResiduals Residuals { get; }

    /// <summary>Runs the block: (B, T, C) to (B, T, C).</summary>
    /// <param name="index">Number of the block; blocks that share weights have different ones.</param>
    /// <param name="x">(B, T, C)</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="bias">What is added to the attention scores, see <see cref="AttentionOptions"/>; null for nothing.</param>
    public Tensor Forward(int index, Tensor x, ModelInputs inputs, Tensor? bias = null)
    {
        using var scope = new TensorScope("layer." + Name);
        return scope.Return(AfterAttention(index, x, Attention(index, x, inputs, bias)));
    }

    /// <summary>Runs the block for the first token of each row, which attends to all tokens: (B, T, C) to (B, 1, C). The twin of
    /// <see cref="Forward"/> for a last block of which a head reads nothing else.</summary>
    /// <param name="index">Number of the block.</param>
    /// <param name="x">(B, T, C)</param>
    /// <param name="ranges">I32 (B, 1, 2): the keys [first, end) of the first token.</param>
    public Tensor ForwardFirst(int index, Tensor x, Tensor ranges)
    {
        using var scope = new TensorScope("layer." + Name);
        var first = x.FirstTokens().Reshape([x.Shape[0], 1, x.Shape[2]]);
        return scope.Return(AfterAttention(index, first, AttentionOfFirst(index, first, x, ranges)));
    }

    private Tensor AfterAttention(int index, Tensor x, Tensor attention)
    {
        using var scope = new TensorScope();
        x = _attentionNorm.Forward(Residuals.Attention.Add(x, Dropped(attention, index, AttentionSite)));
        var h = _down.Forward(_activation(_up.Forward(x)));
        return scope.Return(_outputNorm.Forward(Residuals.FeedForward.Add(x, Dropped(h, index, MlpSite))));
    }

    private Tensor Attention(int index, Tensor x, ModelInputs inputs, Tensor? bias)
    {
        using var scope = new TensorScope("attention");
        var qkv = Linear.ForwardFused(x, _query, _key, _value); // (B, T, C) each
        var (q, k, v) = (HeadsOf(qkv[0]), HeadsOf(qkv[1]), HeadsOf(qkv[2]));
        var options = new SelfAttentionOptions(_scale)
        {
            Bias = _relative?.Bias(_positionLayers!, qkv[0], qkv[1], _scale, DropoutAt(_spec.Dropout, index, PositionSite)) ?? bias,
            Dropout = DropoutAt(_spec.ProbabilityDropout, index, ProbabilitySite),
        };
        return scope.Return(_output.Forward(inputs.Attend(index, q, k, v, options)));
    }

    private Tensor AttentionOfFirst(int index, Tensor first, Tensor x, Tensor ranges)
    {
        using var scope = new TensorScope("attention");
        var q = _query.Forward(first); // (B, 1, C)
        var kv = Linear.ForwardFused(x, _key, _value); // (B, T, C) each
        var options = new AttentionOptions(_scale, ranges, Dropout: DropoutAt(_spec.ProbabilityDropout, index, ProbabilitySite));
        return scope.Return(_output.Forward(HeadsOf(q).Attend(HeadsOf(kv[0]), HeadsOf(kv[1]), options)));
    }

    private Tensor Dropped(Tensor x, int index, int site) => x.Dropout(DropoutAt(_spec.Dropout, index, site));

    private DropoutKey DropoutAt(float probability, int index, int site) => LayerDropout.OfBase(Mode, probability, index, site).Now;

    private Heads HeadsOf(Tensor tensor) => new(tensor, _spec.Heads, _spec.HiddenSize / _spec.Heads);
}

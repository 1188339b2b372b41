using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A block of wav2vec 2.0: x = n₁(x + Attention(x)), then x = n₂(x + MLP(x)); with stable layer norm x + Attention(n₁(x)), then
/// x + MLP(n₂(x)).</summary>
internal sealed class Wav2Vec2Block : Module
{
    private const int ProbabilitySite = 0, AttentionSite = 1, InnerSite = 2, OutputSite = 3;

    private readonly Wav2Vec2Config _config;
    private readonly int _index;
    private readonly StackAttention _attention;
    private readonly LayerNorm _attentionNorm;
    private readonly Linear _up;
    private readonly Linear _down;
    private readonly LayerNorm _outputNorm;
    private readonly Func<Tensor, Tensor> _activation;

    public Wav2Vec2Block(Wav2Vec2Config c, int index)
    {
        (_config, _index, _activation) = (c, index, Activations.Apply(c.Activation));
        int headDim = c.HiddenSize / c.Heads;
        var sizes = new AttentionSizes(c.HiddenSize, c.Heads, headDim, 1 / MathF.Sqrt(headDim), Bias: true, AttentionNames.Bart);
        _attention = Add("attention", new StackAttention(sizes, index, new DropoutSite(c.AttentionDropout, index, ProbabilitySite)));
        _attentionNorm = Add("layer_norm", new LayerNorm(c.HiddenSize, c.Epsilon));
        _up = AddPath("feed_forward.intermediate_dense", new Linear(c.HiddenSize, c.InnerSize, bias: true));
        _down = AddPath("feed_forward.output_dense", new Linear(c.InnerSize, c.HiddenSize, bias: true));
        _outputNorm = Add("final_layer_norm", new LayerNorm(c.HiddenSize, c.Epsilon));
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
    }

    /// <summary>The residual sums.</summary>
    public BlockResiduals Residuals { get; }

    public Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope("layers." + Name);
        x = Sublayer(x, _attentionNorm, Residuals.Attention, AttentionSite, h => _attention.Self(h, null, inputs));
        return scope.Return(Sublayer(x, _outputNorm, Residuals.FeedForward, OutputSite, FeedForward));
    }

    private Tensor Sublayer(Tensor x, LayerNorm norm, ResidualAdd sum, int site, Func<Tensor, Tensor> run)
    {
        var h = run(_config.NormFirst ? norm.Forward(x) : x).Dropout(KeyOf(_config.Dropout, site));
        x = sum.Add(x, h);
        return _config.NormFirst ? x : norm.Forward(x);
    }

    private Tensor FeedForward(Tensor x) =>
        _down.Forward(_activation(_up.Forward(x)).Dropout(KeyOf(_config.ActivationDropout, InnerSite)));

    private DropoutKey KeyOf(float probability, int site) => LayerDropout.OfBase(Mode, probability, _index, site).Now;
}

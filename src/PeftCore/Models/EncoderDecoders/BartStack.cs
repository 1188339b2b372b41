using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>One stack of BART: positions, the norm after the embedding, blocks, the last norm.</summary>
internal sealed class BartStack : Module
{
    // The rows before that of position 0, which fairseq kept for padding.
    private const int FirstRow = 2;

    private readonly BartConfig _config;
    private readonly bool _isDecoder;
    private readonly Embedding? _positions;
    private readonly SinusoidalTable? _sinusoids;
    private readonly LayerNorm? _embeddingNorm;

    public BartStack(BartConfig c, DropoutSites? decoderSites)
    {
        (_config, _isDecoder) = (c, decoderSites is not null);
        if (c.Variant.Positions == BartPositions.Learned)
        {
            _positions = Add("embed_positions", new Embedding(c.MaxLength + FirstRow, c.HiddenSize));
        }
        else
        {
            _sinusoids = new SinusoidalTable(c.MaxLength, c.HiddenSize, c.HiddenSize / 2);
        }
        var layers = Add("layers", new ModuleList());
        var sizes = _isDecoder ? c.Decoder : c.Encoder;
        Blocks = [.. Enumerable.Range(0, sizes.Layers).Select(i => layers.Append(new BartBlock(c, sizes, i, decoderSites)))];
        if (c.Variant.NormEmbedding)
        {
            _embeddingNorm = Add("layernorm_embedding", new LayerNorm(c.HiddenSize, BartConfig.Epsilon));
        }
        if (c.Variant.NormFirst)
        {
            FinalNorm = Add("layer_norm", new LayerNorm(c.HiddenSize, BartConfig.Epsilon));
        }
    }

    public BartBlock[] Blocks { get; }

    public LayerNorm? FinalNorm { get; }

    /// <summary>The table of sinusoidal positions; null for learned ones.</summary>
    public SinusoidalTable? Sinusoids => _sinusoids;

    /// <summary>dropout(norm(embedded + positions)).</summary>
    public Tensor Embed(Tensor embedded, ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var x = embedded + Positions(inputs);
        x = _embeddingNorm?.Forward(x) ?? x;
        var site = DropoutSites.OfModel(_config.Dropout, _isDecoder ? ModelSite.TargetEmbedding : ModelSite.SourceEmbedding);
        return scope.Return(x.Dropout(site.Now(Mode)));
    }

    private protected override void OnDispose() => _sinusoids?.Dispose();

    private Tensor Positions(ModelInputs inputs)
    {
        if (_positions is null)
        {
            return _sinusoids!.Rows(inputs.Positions);
        }
        // Without an adapter the rows are read from a part of the table, so that no numbers are uploaded in the pass.
        return _positions.Hook is null ? _positions.Weight.Value.Slice(FirstRow, _config.MaxLength).Rows(inputs.Positions)
            : _positions.Forward(inputs.PositionsFrom(FirstRow));
    }
}

/// <summary>A block of BART or Whisper: self-attention, in the decoder also cross-attention, and the feed-forward network, each with a
/// norm after the residual sum, or before the sublayer in mBART, Pegasus and Whisper.</summary>
internal sealed class BartBlock : Module
{
    private readonly BartConfig _config;
    private readonly StackAttention _self;
    private readonly LayerNorm _selfNorm;
    private readonly LayerNorm? _crossNorm;
    private readonly Linear _fc1;
    private readonly Linear _fc2;
    private readonly LayerNorm _finalNorm;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Func<float, BlockSite, DropoutSite> _site;

    public BartBlock(BartConfig c, BartStackSizes sizes, int index, DropoutSites? decoderSites)
    {
        (_config, _activation) = (c, Activations.Apply(c.Activation));
        _site = (p, site) => decoderSites?.OfDecoder(p, index, site) ?? DropoutSites.OfEncoder(p, index, site);
        int headDim = c.HiddenSize / sizes.Heads;
        var attention = new AttentionSizes(c.HiddenSize, sizes.Heads, headDim, 1 / MathF.Sqrt(headDim), Bias: true, AttentionNames.Bart,
            c.Variant.KeyBias);
        _self = Add("self_attn", new StackAttention(attention, index, _site(c.AttentionDropout, BlockSite.Probabilities)));
        _selfNorm = Norm("self_attn_layer_norm");
        if (decoderSites is not null)
        {
            CrossAttention = Add("encoder_attn",
                new StackAttention(attention, index, _site(c.AttentionDropout, BlockSite.CrossProbabilities)));
            _crossNorm = Norm("encoder_attn_layer_norm");
        }
        _fc1 = Add("fc1", new Linear(c.HiddenSize, sizes.InnerSize, bias: true));
        _fc2 = Add("fc2", new Linear(sizes.InnerSize, c.HiddenSize, bias: true));
        _finalNorm = Norm("final_layer_norm");
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd(), decoderSites is null ? null : new ResidualAdd());

        LayerNorm Norm(string name) => Add(name, new LayerNorm(c.HiddenSize, BartConfig.Epsilon));
    }

    public BlockResiduals Residuals { get; }

    /// <summary>The attention to the encoder; null in the encoder.</summary>
    public StackAttention? CrossAttention { get; }

    public Tensor Forward(Tensor x, Tensor? states, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope("layers." + Name);
        x = Sublayer(x, _selfNorm, Residuals.Attention, BlockSite.Attention, h => _self.Self(h, null, inputs));
        if (CrossAttention is { } cross)
        {
            x = Sublayer(x, _crossNorm!, Residuals.CrossAttention!, BlockSite.CrossAttention, h => cross.Cross(h, states, inputs));
        }
        return scope.Return(Sublayer(x, _finalNorm, Residuals.FeedForward, BlockSite.FeedForward, FeedForward));
    }

    private Tensor Sublayer(Tensor x, LayerNorm norm, ResidualAdd sum, BlockSite site, Func<Tensor, Tensor> run)
    {
        var h = run(_config.Variant.NormFirst ? norm.Forward(x) : x).Dropout(_site(_config.Dropout, site).Now(Mode));
        x = sum.Add(x, h);
        return _config.Variant.NormFirst ? x : norm.Forward(x);
    }

    private Tensor FeedForward(Tensor x) =>
        _fc2.Forward(_activation(_fc1.Forward(x)).Dropout(_site(_config.ActivationDropout, BlockSite.Inner).Now(Mode)));
}

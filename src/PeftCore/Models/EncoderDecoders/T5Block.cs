using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>One stack of T5: its blocks and the norm after them.</summary>
internal sealed class T5Stack : Module
{
    public T5Stack(T5Config c, DropoutSites? decoderSites)
    {
        bool isDecoder = decoderSites is not null;
        var blocks = Add("block", new ModuleList());
        Blocks = [.. Enumerable.Range(0, isDecoder ? c.DecoderLayers : c.EncoderLayers)
            .Select(i => blocks.Append(new T5Block(c, i, decoderSites)))];
        FinalNorm = Add("final_layer_norm", new RmsNorm(c.HiddenSize, c.Epsilon));
        Buckets = new RelativeBuckets(c.Buckets, c.MaxDistance, bidirectional: !isDecoder);
    }

    public T5Block[] Blocks { get; }

    public RmsNorm FinalNorm { get; }

    public RelativeBuckets Buckets { get; }

    /// <summary>The bias of self-attention that all blocks share: F32 (1, heads, queries, keys).</summary>
    public Tensor Bias(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var table = Blocks[0].RelativeBias;
        var buckets = inputs.RelativeBuckets(Buckets);
        if (table.Hook is null)
        {
            return scope.Return(table.Weight.Value.RelativeBias(buckets));
        }
        // An adapter of the table computes its rows: (queries·keys, heads), exchanged to (heads, queries, keys).
        int queries = buckets.Shape[0], keys = buckets.Shape[1];
        var rows = table.Forward(buckets.View([queries * keys])).Cast(DType.F32);
        return scope.Return(rows.Transpose().Reshape([1, table.Weight.Shape[1], queries, keys]));
    }
}

/// <summary>A block of T5: self-attention, in the decoder also cross-attention, and the feed-forward network, each with a norm before
/// it.</summary>
internal sealed class T5Block : Module
{
    private readonly T5Sublayer<StackAttention> _self;
    private readonly T5Sublayer<StackAttention>? _cross;
    private readonly T5Sublayer<T5FeedForward> _feedForward;

    public T5Block(T5Config c, int index, DropoutSites? decoderSites)
    {
        var layers = Add("layer", new ModuleList());
        // T5 folds the scale of q·k into the initial weights.
        var sizes = new AttentionSizes(c.HiddenSize, c.Heads, c.HeadDim, Scale: 1, Bias: false, AttentionNames.T5);
        var attention = new StackAttention(sizes, index, Site(BlockSite.Probabilities));
        if (index == 0)
        {
            attention.AddRelativeBias(c.Buckets);
        }
        _self = layers.Append(new T5Sublayer<StackAttention>(c, "SelfAttention", attention, Site(BlockSite.Attention)));
        if (decoderSites is not null)
        {
            _cross = layers.Append(new T5Sublayer<StackAttention>(c, "EncDecAttention",
                new StackAttention(sizes, index, Site(BlockSite.CrossProbabilities)), Site(BlockSite.CrossAttention)));
        }
        _feedForward = layers.Append(new T5Sublayer<T5FeedForward>(c, "DenseReluDense", new T5FeedForward(c, Site(BlockSite.Inner)),
            Site(BlockSite.FeedForward)));
        Residuals = new BlockResiduals(this, _self.Residual, _feedForward.Residual, _cross?.Residual);

        DropoutSite Site(BlockSite site) => decoderSites is null ? DropoutSites.OfEncoder(c.Dropout, index, site)
            : decoderSites.OfDecoder(c.Dropout, index, site);
    }

    public BlockResiduals Residuals { get; }

    /// <summary>The table of biases; only the first block has one.</summary>
    public Embedding RelativeBias => _self.Inner.RelativeBias!;

    /// <summary>The attention to the encoder.</summary>
    public StackAttention CrossAttention => _cross!.Inner;

    public Tensor Forward(Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope("block." + Name);
        x = _self.Forward(x, (attention, h) => attention.Self(h, bias, inputs));
        if (_cross is not null)
        {
            x = _cross.Forward(x, (attention, h) => attention.Cross(h, states, inputs));
        }
        return scope.Return(_feedForward.Forward(x, (network, h) => network.Forward(h)));
    }
}

/// <summary>x + dropout(f(norm(x))).</summary>
internal sealed class T5Sublayer<T> : Module where T : Module
{
    private readonly RmsNorm _norm;
    private readonly DropoutSite _dropout;

    public T5Sublayer(T5Config c, string name, T inner, DropoutSite dropout)
    {
        Inner = Add(name, inner);
        _norm = Add("layer_norm", new RmsNorm(c.HiddenSize, c.Epsilon));
        _dropout = dropout;
    }

    public T Inner { get; }

    public ResidualAdd Residual { get; } = new();

    public Tensor Forward(Tensor x, Func<T, Tensor, Tensor> run)
    {
        using var scope = new TensorScope();
        return scope.Return(Residual.Add(x, run(Inner, _norm.Forward(x)).Dropout(_dropout.Now(Mode))));
    }
}

/// <summary>wo(dropout(f(wi(x)))), or wo(dropout(f(wi_0(x))·wi_1(x))).</summary>
internal sealed class T5FeedForward : Layer
{
    private readonly Func<Tensor, Tensor, Tensor> _gate;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly DropoutSite _dropout;
    private readonly Linear[] _in;
    private readonly Linear _out;

    public T5FeedForward(T5Config c, DropoutSite dropout)
    {
        (_gate, _activation, _dropout) = (Activations.Gate(c.Activation), Activations.Apply(c.Activation), dropout);
        _in = [.. (c.Gated ? (string[])["wi_0", "wi_1"] : ["wi"]).Select(name => Add(name, new Linear(c.HiddenSize, c.InnerSize)))];
        _out = Add("wo", new Linear(c.InnerSize, c.HiddenSize));
    }

    protected internal override Tensor Compute(Tensor x)
    {
        var parts = Linear.ForwardFused(x, _in);
        var h = parts.Length == 1 ? _activation(parts[0]) : _gate(parts[0], parts[1]);
        return _out.Forward(h.Dropout(_dropout.Now(Mode)));
    }
}

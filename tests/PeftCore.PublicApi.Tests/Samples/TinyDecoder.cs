using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests.Samples;

/// <summary>A decoder with learned positions, RMS norms before each sublayer, and softplus in its feed-forward networks.</summary>
internal sealed class TinyDecoder : CausalModel
{
    private readonly Embedding _positions;
    private readonly TinyBlock[] _blocks;

    public TinyDecoder(ConfigReader config)
    {
        HiddenSize = config.Int("hidden_size", min: 1);
        HeadCount = config.Int("num_attention_heads", min: 1);
        LayerCount = config.Int("num_hidden_layers", min: 1);
        MaxLength = config.Int("max_position_embeddings", min: 1);
        int vocabulary = config.Int("vocab_size", min: 1);
        TokenEmbedding = Add("tokens", new Embedding(vocabulary, HiddenSize));
        _positions = Add("positions", new Embedding(MaxLength, HiddenSize));
        var layers = Add("layers", new ModuleList());
        _blocks = [.. Enumerable.Range(0, LayerCount).Select(i => layers.Append(new TinyBlock(i, HiddenSize, HeadDim)))];
        FinalNorm = Add("norm", new RmsNorm(HiddenSize, 1e-6f));
        Head = Add("lm_head", new Linear(HiddenSize, vocabulary));
        if (config.Bool("tie_word_embeddings", true))
        {
            Head.Tie(TokenEmbedding.Weight);
        }
    }

    public override string ModelType => "tiny_decoder";

    public override int HiddenSize { get; }

    public override int HeadCount { get; }

    public override int LayerCount { get; }

    public override int MaxLength { get; }

    public override Embedding TokenEmbedding { get; }

    public override Layer FinalNorm { get; }

    public override Linear Head { get; }

    public static void Register() => ModelFamilies.Register("tiny_decoder", (config, _) => new TinyDecoder(config), "q_proj", "v_proj");

    protected override Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded + _positions.Forward(inputs.Positions);

    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _blocks[index].Forward(x, inputs);
}

/// <summary>One block: x + attention(norm(x)), then x + feed-forward(norm(x)).</summary>
internal sealed class TinyBlock : Module
{
    private readonly int _index;
    private readonly int _headDim;
    private readonly RmsNorm _attentionNorm;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _o;
    private readonly RmsNorm _mlpNorm;
    private readonly Linear _up;
    private readonly Linear _down;

    public TinyBlock(int index, int hidden, int headDim)
    {
        (_index, _headDim) = (index, headDim);
        _attentionNorm = Add("attention_norm", new RmsNorm(hidden, 1e-6f));
        _q = Add("q_proj", new Linear(hidden, hidden));
        _k = Add("k_proj", new Linear(hidden, hidden));
        _v = Add("v_proj", new Linear(hidden, hidden));
        _o = Add("o_proj", new Linear(hidden, hidden));
        _mlpNorm = Add("mlp_norm", new RmsNorm(hidden, 1e-6f));
        _up = Add("up_proj", new Linear(hidden, 4 * hidden, bias: true));
        _down = Add("down_proj", new Linear(4 * hidden, hidden, bias: true));
    }

    public Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope("layers." + Name);
        var h = _attentionNorm.Forward(x);
        var o = inputs.Attend(_index, _q.Forward(h), _k.Forward(h), _v.Forward(h), _headDim, 1 / MathF.Sqrt(_headDim));
        x += _o.Forward(o);
        h = new Softplus(beta: 1).Apply(_up.Forward(_mlpNorm.Forward(x)));
        return scope.Return(x + _down.Forward(h));
    }
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, layer norm before each sublayer, one fused q, k, v projection, weights stored
/// transposed ("Conv1D").</summary>
internal sealed class Gpt2 : CausalModel
{
    private readonly Transformer _transformer;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public Gpt2(Gpt2Config config)
    {
        Config = config;
        _transformer = Add("transformer", new Transformer(config));
        Head = Add("lm_head", new Linear(config.HiddenSize, config.VocabularySize));
        if (config.TieEmbeddings)
        {
            Head.Tie(_transformer.Wte.Weight);
        }
    }

    /// <summary>The configuration.</summary>
    public Gpt2Config Config { get; }

    /// <inheritdoc/>
    public override string ModelType => "gpt2";

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int LayerCount => Config.Layers;

    /// <inheritdoc/>
    public override int MaxLength => Config.MaxLength;

    /// <inheritdoc/>
    public override Embedding TokenEmbedding => _transformer.Wte;

    /// <inheritdoc/>
    public override Linear Head { get; }

    /// <inheritdoc/>
    public override string BasePrefix => "transformer.";

    internal override CausalModel Untied() => new Gpt2(Config with { TieEmbeddings = false });

    /// <inheritdoc/>
    public override Layer FinalNorm => _transformer.LnF;

    /// <inheritdoc/>
    public override int HeadCount => Config.Heads;

    internal override BlockResiduals ResidualsOf(int block) => _transformer.Blocks[block].Residuals;

    internal override bool IsBuffer(string name) =>
        name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override Tensor AddPositions(Tensor embedded, ModelInputs inputs) => embedded + _transformer.Wpe.Forward(inputs.Positions);

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _transformer.Blocks[index].Forward(x, inputs);

    private sealed class Transformer : Module
    {
        public Transformer(Gpt2Config c)
        {
            Wte = Add("wte", new Embedding(c.VocabularySize, c.HiddenSize));
            Wpe = Add("wpe", new Embedding(c.MaxLength, c.HiddenSize));
            var blocks = Add("h", new ModuleList());
            Blocks = [.. Enumerable.Range(0, c.Layers).Select(i => blocks.Append(new TransformerBlock(c, i)))];
            LnF = Add("ln_f", new LayerNorm(c.HiddenSize, c.Epsilon));
        }

        public Embedding Wte { get; }
        public Embedding Wpe { get; }
        public TransformerBlock[] Blocks { get; }
        public LayerNorm LnF { get; }
    }

    private sealed class TransformerBlock : Module
    {
        private readonly LayerNorm _ln1;
        private readonly SelfAttention _attention;
        private readonly LayerNorm _ln2;
        private readonly Mlp _mlp;

        public TransformerBlock(Gpt2Config c, int index)
        {
            Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
            _ln1 = Add("ln_1", new LayerNorm(c.HiddenSize, c.Epsilon));
            _attention = Add("attn", new SelfAttention(c, index));
            _ln2 = Add("ln_2", new LayerNorm(c.HiddenSize, c.Epsilon));
            _mlp = Add("mlp", new Mlp(c));
        }

        public BlockResiduals Residuals { get; }

        public Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
        {
            using var scope = new TensorScope("h." + Name);
            x = Residuals.Attention.Add(x, _attention.Forward(_ln1.Forward(x), inputs));
            return scope.Return(Residuals.FeedForward.Add(x, _mlp.Forward(_ln2.Forward(x))));
        }
    }

    private sealed class SelfAttention : Module
    {
        private readonly int _index;
        private readonly int _heads;
        private readonly int _headDim;
        private readonly float _scale;
        private readonly Linear _qkv;
        private readonly Linear _o;

        public SelfAttention(Gpt2Config c, int index)
        {
            _index = index;
            _heads = c.Heads;
            _headDim = c.HiddenSize / c.Heads;
            _scale = 1 / MathF.Sqrt(_headDim) / (c.ScaleByLayer ? index + 1 : 1);
            _qkv = Add("c_attn", new Linear(c.HiddenSize, 3 * c.HiddenSize, bias: true, transposed: true));
            _o = Add("c_proj", new Linear(c.HiddenSize, c.HiddenSize, bias: true, transposed: true));
        }

        public Tensor Forward(Tensor x, ModelInputs inputs)
        {
            using var scope = new TensorScope(Name);
            var qkv = _qkv.Forward(x); // (B, T, 3C)
            int c = x.Shape.Columns;
            // Without earlier keys, q, k and v are read where the projection has them.
            var o = inputs is { Cache: null, Prefix: null }
                ? In(qkv, 0).Attend(In(qkv, c), In(qkv, 2 * c), new AttentionOptions(_scale, inputs.Ranges))
                : inputs.Attend(_index, qkv.Columns(0, c), qkv.Columns(c, c), qkv.Columns(2 * c, c), _headDim, _scale);
            return scope.Return(_o.Forward(o));
        }

        private Heads In(Tensor tensor, int offset) => new(tensor, _heads, _headDim, offset);
    }

    private sealed class Mlp : Layer
    {
        private readonly string _activation;
        private readonly Linear _fc;
        private readonly Linear _proj;

        public Mlp(Gpt2Config c)
        {
            _activation = c.Activation;
            _fc = Add("c_fc", new Linear(c.HiddenSize, c.InnerSize, bias: true, transposed: true));
            _proj = Add("c_proj", new Linear(c.InnerSize, c.HiddenSize, bias: true, transposed: true));
        }

        protected internal override Tensor Compute(Tensor x)
        {
            var h = _fc.Forward(x);
            h = _activation switch
            {
                "gelu" => h.Activate<Gelu>(),
                "relu" => h.Activate<Relu>(),
                _ => h.Activate<GeluTanh>(),
            };
            return _proj.Forward(h);
        }
    }
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>LLaMA (Touvron et al. 2023) and its variants: RMS norm, rotary positions, grouped-query attention, SwiGLU.</summary>
internal sealed class Llama : CausalModel
{
    private readonly Decoder _decoder;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public Llama(LlamaConfig config)
    {
        Config = config;
        _decoder = Add("model", new Decoder(config));
        Head = Add("lm_head", new Linear(config.HiddenSize, config.VocabularySize));
        if (config.TieEmbeddings)
        {
            Head.Tie(_decoder.EmbedTokens.Weight);
        }
    }

    /// <summary>The configuration.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public override string ModelType => Config.ModelType;

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int LayerCount => Config.Layers;

    /// <inheritdoc/>
    public override int MaxLength => Config.MaxLength;

    /// <inheritdoc/>
    public override Embedding TokenEmbedding => _decoder.EmbedTokens;

    /// <inheritdoc/>
    public override Linear Head { get; }

    /// <inheritdoc/>
    public override string BasePrefix => "model.";

    internal override CausalModel Untied() => new Llama(Config with { TieEmbeddings = false });

    /// <inheritdoc/>
    public override Layer FinalNorm => _decoder.Norm;

    /// <inheritdoc/>
    public override int HeadCount => Config.Heads;

    /// <inheritdoc/>
    public override int KeyHeadCount => Config.KeyHeads;

    /// <inheritdoc/>
    public override int HeadDim => Config.HeadDim;

    internal override BlockResiduals ResidualsOf(int block) => _decoder.Layers[block].Residuals;

    internal override bool IsBuffer(string name) => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _decoder.Layers[index].Forward(x, inputs);

    private sealed class Decoder : Module
    {
        private readonly Rotary _rotary;

        public Decoder(LlamaConfig c)
        {
            _rotary = new Rotary(c.HeadDim, c.RopeTheta, c.RopeScaling);
            EmbedTokens = Add("embed_tokens", new Embedding(c.VocabularySize, c.HiddenSize));
            var layers = Add("layers", new ModuleList());
            Layers = [.. Enumerable.Range(0, c.Layers).Select(i => layers.Append(new DecoderLayer(c, i, _rotary)))];
            Norm = Add("norm", new RmsNorm(c.HiddenSize, c.Epsilon));
        }

        public Embedding EmbedTokens { get; }
        public DecoderLayer[] Layers { get; }
        public RmsNorm Norm { get; }

        private protected override void OnDispose() => _rotary.Dispose();
    }

    private sealed class DecoderLayer : Module
    {
        private readonly SelfAttention _attention;
        private readonly GatedMlp _mlp;
        private readonly RmsNorm _inputNorm;
        private readonly RmsNorm _attentionNorm;

        public DecoderLayer(LlamaConfig c, int index, Rotary rotary)
        {
            Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
            _attention = Add("self_attn", new SelfAttention(c, index, rotary));
            _mlp = Add("mlp", new GatedMlp(c));
            _inputNorm = Add("input_layernorm", new RmsNorm(c.HiddenSize, c.Epsilon));
            _attentionNorm = Add("post_attention_layernorm", new RmsNorm(c.HiddenSize, c.Epsilon));
        }

        public BlockResiduals Residuals { get; }

        public Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
        {
            using var scope = new TensorScope("layers." + Name);
            x = Residuals.Attention.Add(x, _attention.Forward(_inputNorm.Forward(x), inputs));
            return scope.Return(Residuals.FeedForward.Add(x, _mlp.Forward(_attentionNorm.Forward(x))));
        }
    }

    private sealed class SelfAttention : Module
    {
        private readonly LlamaConfig _c;
        private readonly int _index;
        private readonly Rotary _rotary;
        private readonly Linear _q;
        private readonly Linear _k;
        private readonly Linear _v;
        private readonly Linear _o;
        private readonly RmsNorm? _qNorm;
        private readonly RmsNorm? _kNorm;

        public SelfAttention(LlamaConfig c, int index, Rotary rotary)
        {
            (_c, _index, _rotary) = (c, index, rotary);
            _q = Add("q_proj", new Linear(c.HiddenSize, c.Heads * c.HeadDim, c.QkvBias));
            _k = Add("k_proj", new Linear(c.HiddenSize, c.KeyHeads * c.HeadDim, c.QkvBias));
            _v = Add("v_proj", new Linear(c.HiddenSize, c.KeyHeads * c.HeadDim, c.QkvBias));
            _o = Add("o_proj", new Linear(c.Heads * c.HeadDim, c.HiddenSize, c.OutputBias));
            if (c.QkNorm)
            {
                _qNorm = Add("q_norm", new RmsNorm(c.HeadDim, c.Epsilon));
                _kNorm = Add("k_norm", new RmsNorm(c.HeadDim, c.Epsilon));
            }
        }

        public Tensor Forward(Tensor x, ModelInputs inputs)
        {
            using var scope = new TensorScope(Name);
            var tables = _rotary.Tables(x.Backend, Math.Max(inputs.LongestToCome, Math.Min(_c.MaxLength, 512)));
            var qkv = Linear.ForwardFused(x, _q, _k, _v);
            var q = ApplyRope(PerHead(qkv[0], _qNorm), _c.Heads); // (B, T, H·D)
            var k = ApplyRope(PerHead(qkv[1], _kNorm), _c.KeyHeads); // (B, T, Hkv·D)
            int window = _index < _c.FirstWindowLayer ? 0 : _c.Window;
            return scope.Return(_o.Forward(inputs.Attend(_index, q, k, qkv[2], _c.HeadDim, 1 / MathF.Sqrt(_c.HeadDim), window)));

            Tensor ApplyRope(Tensor t, int heads) => new Heads(t, heads, _c.HeadDim).Rope(tables, inputs.Positions);
        }

        /// <summary>Normalises each head separately.</summary>
        private Tensor PerHead(Tensor t, RmsNorm? norm) =>
            norm is null ? t : norm.Forward(t.Reshape([(int)(t.Count / _c.HeadDim), _c.HeadDim])).Reshape(t.Shape);
    }

    private sealed class GatedMlp : Layer
    {
        private readonly Linear _gate;
        private readonly Linear _up;
        private readonly Linear _down;

        public GatedMlp(LlamaConfig c)
        {
            _gate = Add("gate_proj", new Linear(c.HiddenSize, c.IntermediateSize, c.MlpBias));
            _up = Add("up_proj", new Linear(c.HiddenSize, c.IntermediateSize, c.MlpBias));
            _down = Add("down_proj", new Linear(c.IntermediateSize, c.HiddenSize, c.MlpBias));
        }

        protected internal override Tensor Compute(Tensor x)
        {
            var parts = Linear.ForwardFused(x, _gate, _up);
            return _down.Forward(parts[0].Gate<Silu>(parts[1]));
        }
    }
}

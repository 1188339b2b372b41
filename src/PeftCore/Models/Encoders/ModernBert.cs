using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>ModernBERT (Warner et al. 2024): norms before the sublayers, rotary positions, gated feed-forward networks, no biases, and in
/// most blocks a window of keys on both sides of a token.</summary>
internal sealed class ModernBert : EncoderModel
{
    private readonly ModernBertSpec _modern;
    private readonly Rotary _full;
    private readonly Rotary _sliding;
    private readonly LayerNorm _norm;
    private readonly ModernBertBlock[] _blocks;
    private readonly LayerNorm _finalNorm;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public ModernBert(ModernBertSpec modern, TaskSpec task) : base(modern.Encoder, task)
    {
        var spec = modern.Encoder;
        (_modern, _full, _sliding) = (modern, new Rotary(modern.FullRope), new Rotary(modern.SlidingRope));
        TokenEmbedding = AddBody("embeddings.tok_embeddings", new Embedding(spec.VocabularySize, spec.HiddenSize, spec.PaddingToken));
        _norm = AddBody("embeddings.norm", new LayerNorm(spec.HiddenSize, spec.Epsilon, modern.NormBias));
        _blocks = [.. Enumerable.Range(0, spec.Layers).Select(i =>
            AddBody($"layers.{i}", new ModernBertBlock(modern, i, modern.Windows[i] == 0 ? _full : _sliding)))];
        _finalNorm = AddBody("final_norm", new LayerNorm(spec.HiddenSize, spec.Epsilon, modern.NormBias));
        AddHead();
    }

    /// <inheritdoc/>
    public override Embedding TokenEmbedding { get; }

    internal override IReadOnlyList<Module> FinalNorms => [_finalNorm];

    internal override bool TakesPrefix => false;

    internal override TransformerModel Untied() =>
        new ModernBert(_modern with { Encoder = Spec with { TieEmbeddings = false } }, TaskSpec);

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    internal override long PositionTables(int length)
    {
        int longest = length + VirtualTokenCount;
        return ((long)(_full.Version + _sliding.Version) << 32) | (uint)(_full.LengthKey(longest) + _sliding.LengthKey(longest));
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static ModernBertSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        EncoderFields.Refuse(config, "global_rope_theta", "local_rope_theta");
        int hidden = EncoderFields.Columns(config, "hidden_size", 768), heads = EncoderFields.Columns(config, "num_attention_heads", 12);
        int vocabulary = EncoderFields.Rows(config, "vocab_size"), length = EncoderFields.Rows(config, "max_position_embeddings", 8192);
        int layers = config.Int("num_hidden_layers", 22, min: 1, max: 10_000);
        var spec = EncoderFields.Checked(config, new EncoderSpec
        {
            ModelType = config.String("model_type"),
            Body = "model",
            Head = (head, spec, task) => Head(head, spec, task, config),
            VocabularySize = vocabulary,
            PaddingToken = EncoderFields.PaddingToken(config, 50283, vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = hidden,
            IntermediateSize = EncoderFields.Columns(config, "intermediate_size", 1152),
            Layers = layers,
            Heads = heads,
            MaxLength = length,
            Epsilon = (float)config.Float("norm_eps", 1e-5, min: 0, max: 1),
            Activation = EncoderFields.Activation(config, "hidden_activation", "gelu"),
            Dropout = EncoderFields.Probability(config, "embedding_dropout", 0),
            ProbabilityDropout = EncoderFields.Probability(config, "attention_dropout", 0),
            HeadDropout = EncoderFields.Probability(config, "classifier_dropout", 0),
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
            PoolsMean = config.Choice("classifier_pooling", "cls", "cls", "mean") == "mean",
        }, "num_attention_heads", "hidden_size");
        var rope = new RopeDefaults(hidden / heads, length, config.Float("global_rope_theta", 160_000, min: 1));
        var (full, sliding) = RopeSettings.ReadByKind(config, rope, config.Float("local_rope_theta", 10_000, min: 1), warnings);
        return new ModernBertSpec(spec, full, sliding, WindowsOf(config, layers))
        {
            NormBias = config.Bool("norm_bias", false),
            AttentionBias = config.Bool("attention_bias", false),
            MlpBias = config.Bool("mlp_bias", false),
            MlpDropout = EncoderFields.Probability(config, "mlp_dropout", 0),
        };
    }

    /// <inheritdoc/>
    protected override Tensor Start(Tensor words, ModelInputs inputs) =>
        _norm.Forward(words).Dropout(LayerDropout.OfBase(Mode, Spec.Dropout, block: -1, site: 0).Now);

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _blocks[index].Forward(x, inputs);

    /// <inheritdoc/>
    protected override Tensor Finish(Tensor x) => _finalNorm.Forward(x);

    /// <inheritdoc/>
    protected override void UploadWindows(ModelInputs inputs)
    {
        foreach (int window in _modern.Windows.Distinct())
        {
            inputs.Windowed(window);
        }
    }

    private protected override void OnDispose()
    {
        _full.Dispose();
        _sliding.Dispose();
    }

    private static int[] WindowsOf(ConfigReader config, int layers)
    {
        int window = config.Int("local_attention", 128, min: 1);
        int every = config.Int("global_attn_every_n_layers", 3, min: 1);
        string[]? kinds = config.StringsOrNull("layer_types");
        if (kinds is not null && kinds.Length != layers)
        {
            throw config.Error("layer_types", $"has {kinds.Length} entries, but the model has {layers} blocks");
        }
        return [.. Enumerable.Range(0, layers).Select(i => (kinds?[i] ?? (i % every == 0 ? "full_attention" : "sliding_attention")) switch
        {
            "full_attention" => 0,
            "sliding_attention" => window,
            { } other => throw config.Error("layer_types", $"has \"{other}\", expected full_attention or sliding_attention"),
        })];
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task, ConfigReader config)
    {
        if (task.Task == ModelTask.FeatureExtraction)
        {
            return;
        }
        head.Dense("head.dense", spec.HiddenSize, config.Bool("classifier_bias", false))
            .Activate(EncoderFields.Activation(config, "classifier_activation", "gelu"))
            .Norm("head.norm", spec.Epsilon, config.Bool("norm_bias", false));
        if (task.Task == ModelTask.MaskedLm)
        {
            head.Vocabulary("decoder", bias: config.Bool("decoder_bias", true));
            return;
        }
        head.Dropout(spec.HeadDropout).Dense("classifier", task.Task == ModelTask.QuestionAnswering ? 2 : task.LabelCount);
    }
}

/// <summary>What ModernBERT's configuration says beyond an <see cref="EncoderSpec"/>.</summary>
/// <param name="Encoder">Sizes and head.</param>
/// <param name="FullRope">Rotary positions of blocks without a window.</param>
/// <param name="SlidingRope">Rotary positions of blocks with a window.</param>
/// <param name="Windows">For each block the width of the window, half of it on each side; 0 for none.</param>
internal sealed record ModernBertSpec(EncoderSpec Encoder, RopeSpec FullRope, RopeSpec SlidingRope, IReadOnlyList<int> Windows)
{
    /// <summary>Whether norms have a shift.</summary>
    public bool NormBias { get; init; }

    /// <summary>Whether the layers of the attention have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the layers of the feed-forward network have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Probability of dropout inside the feed-forward network.</summary>
    public float MlpDropout { get; init; }
}

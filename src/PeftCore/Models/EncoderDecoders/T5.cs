using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>T5 (Raffel et al. 2020), also T5 1.1 and mT5 (Xue et al. 2021): RMS norm before each sublayer, no biases, no scale of attention
/// scores, biases by relative position that all blocks of a stack share.</summary>
internal sealed class T5 : Seq2SeqModel
{
    // Relative positions have no end; sizes stay far below what a product of two lengths can hold.
    private const int MostTokens = 1 << 20;

    private const string ClassifierPrefix = "transformer.";

    private static readonly string[] Heads = ["lm_head", "classification_head", "classifier", "qa_outputs"];

    private readonly T5Config _config;
    private readonly T5Stack _encoder;
    private readonly T5Stack? _decoder;

    /// <summary>Declares the model without weights.</summary>
    /// <param name="config">Sizes and variants.</param>
    /// <param name="task">The task; null for a language model.</param>
    /// <param name="head">What heads of other tasks read of the configuration.</param>
    public T5(T5Config config, TaskSpec? task = null, Seq2SeqHeadFields? head = null) : base(task)
    {
        _config = config;
        TokenEmbedding = AddPath(BasePrefix + "shared", new Embedding(config.VocabularySize, config.HiddenSize));
        _encoder = AddPath(BasePrefix + "encoder", new T5Stack(config, decoderSites: null));
        if (!IsEncoderOnly)
        {
            _decoder = AddPath(BasePrefix + "decoder", new T5Stack(config, new DropoutSites(config.EncoderLayers)));
        }
        AddHead(config.TieEmbeddings, head ?? Seq2SeqHeadFields.None);
    }

    /// <summary>Declares the model of a config.json.</summary>
    public static T5 Read(ConfigReader config, TaskSpec task, ICollection<string>? warnings)
    {
        if (task.Task == ModelTask.FeatureExtraction && ConfigChecks.ArchitectureOf(config) is "T5Model" or "MT5Model")
        {
            warnings?.Add(config.Sentence("architectures", "names a model with a decoder, but features are the hidden states of the " +
                "encoder alone, as of T5EncoderModel"));
        }
        var sizes = T5Config.Read(config, warnings);
        return new T5(sizes, task, Seq2SeqHeadFields.Read(config, task.Task, usualEnd: 1, sizes.VocabularySize));
    }

    public override string ModelType => _config.ModelType;

    public override int HiddenSize => _config.HiddenSize;

    public override int LayerCount => _config.EncoderLayers;

    public override int DecoderLayerCount => IsEncoderOnly ? 0 : _config.DecoderLayers;

    public override int MaxLength => MostTokens;

    public override int HeadCount => _config.Heads;

    public override int HeadDim => _config.HeadDim;

    public override Embedding TokenEmbedding { get; }

    public override int DecoderStartToken => _config.StartToken;

    public override int PadToken => _config.PadToken;

    /// <summary>transformers puts the body of classifiers under a name, and that of other models under none.</summary>
    internal override string BasePrefix =>
        Task is ModelTask.SequenceClassification or ModelTask.TokenClassification ? ClassifierPrefix : "";

    internal override string MissingPrefix => BasePrefix.Length == 0 ? ClassifierPrefix : "";

    internal override IReadOnlyList<Module> FinalNorms =>
        _decoder is null ? [_encoder.FinalNorm] : [_encoder.FinalNorm, _decoder.FinalNorm];

    internal override BlockResiduals ResidualsOf(int block) =>
        (block < LayerCount ? _encoder.Blocks[block] : _decoder!.Blocks[block - LayerCount]).Residuals;

    internal override bool IsHead(string path) => Heads.Contains(path.Split('.')[0]);

    /// <summary>The decoder of a model that is used without it.</summary>
    internal override bool IsOtherHead(string name) => IsEncoderOnly && (name.StartsWith("decoder.", StringComparison.Ordinal)
        || name.StartsWith(ClassifierPrefix + "decoder.", StringComparison.Ordinal));

    /// <summary>Copies of the embedding under its other names, and a table of the cross-attention that old files have and nothing
    /// reads.</summary>
    internal override bool IsBuffer(string name) => name.EndsWith("coder.embed_tokens.weight", StringComparison.Ordinal)
        || name.EndsWith(".EncDecAttention.relative_attention_bias.weight", StringComparison.Ordinal);

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = base.ToInputs(arrays);
        // Made before the pass, so that it can be captured as a graph.
        Upload(inputs, inputs.Decoder);
        return inputs;
    }

    private protected override Tensor HeadInput(Tensor hidden) => _config.ScaleHead ? hidden * (1 / MathF.Sqrt(HiddenSize)) : hidden;

    private protected override Tensor EmbedSource(Tensor embedded, ModelInputs inputs) => Dropout(embedded, ModelSite.SourceEmbedding);

    private protected override Tensor EmbedTarget(Tensor embedded, ModelInputs inputs) => Dropout(embedded, ModelSite.TargetEmbedding);

    private protected override void Upload(ModelInputs encoder, ModelInputs? decoder)
    {
        encoder.RelativeBuckets(_encoder.Buckets);
        decoder?.RelativeBuckets(_decoder!.Buckets);
    }

    private protected override Tensor? EncoderBias(ModelInputs inputs) => _encoder.Bias(inputs);

    private protected override Tensor? DecoderBias(ModelInputs inputs) => _decoder!.Bias(inputs);

    private protected override Tensor EncoderBlock(int index, Tensor x, Tensor? bias, ModelInputs inputs) =>
        _encoder.Blocks[index].Forward(x, null, bias, inputs);

    private protected override Tensor DecoderBlock(int index, Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs) =>
        _decoder!.Blocks[index].Forward(x, states, bias, inputs);

    private protected override Tensor FinishEncoder(Tensor x) => Dropout(_encoder.FinalNorm.Forward(x), ModelSite.EncoderOutput);

    private protected override Tensor FinishDecoder(Tensor x) => Dropout(_decoder!.FinalNorm.Forward(x), ModelSite.DecoderOutput);

    internal override StackAttention CrossAttentionOf(int block) => _decoder!.Blocks[block].CrossAttention;

    private Tensor Dropout(Tensor x, ModelSite site) => x.Dropout(DropoutSites.OfModel(_config.Dropout, site).Now(Mode));
}

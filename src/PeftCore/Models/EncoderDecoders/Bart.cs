using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>BART (Lewis et al. 2020): learned positions, layer norm after each residual sum; mBART (Liu et al. 2020): norms before the
/// sublayers, the language as the decoder's first token; Pegasus (Zhang et al. 2020): also sinusoidal positions.</summary>
internal sealed class Bart : Seq2SeqModel
{
    private const string BiasName = "final_logits_bias";
    private const string PositionsName = "embed_positions.weight";

    private readonly BartConfig _config;
    private readonly BartStack _encoder;
    private readonly BartStack _decoder;
    private Parameter? _logitsBias;

    /// <summary>Declares the model without weights.</summary>
    /// <param name="config">Sizes and variants.</param>
    /// <param name="task">The task; null for a language model.</param>
    /// <param name="head">What heads of other tasks read of the configuration.</param>
    public Bart(BartConfig config, TaskSpec? task = null, Seq2SeqHeadFields? head = null) : base(task)
    {
        _config = config;
        var model = Add("model", new BartModules(config));
        (TokenEmbedding, _encoder, _decoder) = (model.Shared, model.Encoder, model.Decoder);
        AddHead(config.TieEmbeddings, head ?? Seq2SeqHeadFields.None);
    }

    /// <summary>Declares the model of a config.json.</summary>
    public static Bart Read(ConfigReader config, TaskSpec task, ICollection<string>? warnings)
    {
        var sizes = BartConfig.Read(config, warnings);
        return new Bart(sizes, task, Seq2SeqHeadFields.Read(config, task.Task, usualEnd: 2, sizes.VocabularySize));
    }

    public override string ModelType => _config.ModelType;

    public override int HiddenSize => _config.HiddenSize;

    public override int LayerCount => _config.Encoder.Layers;

    public override int DecoderLayerCount => _config.Decoder.Layers;

    public override int MaxLength => _config.MaxLength;

    public override int HeadCount => _config.Decoder.Heads;

    internal override string BasePrefix => "model.";

    public override Embedding TokenEmbedding { get; }

    public override int DecoderStartToken => _config.StartToken;

    public override int PadToken => _config.PadToken;

    internal override IReadOnlyList<Module> FinalNorms =>
        _encoder.FinalNorm is { } encoder && _decoder.FinalNorm is { } decoder ? [encoder, decoder] : [];

    internal override BlockResiduals ResidualsOf(int block) =>
        (block < LayerCount ? _encoder.Blocks[block] : _decoder.Blocks[block - LayerCount]).Residuals;

    private protected override Tensor? LogitsBias => _logitsBias?.Value;

    /// <summary>Copies of the embedding under its other names, version numbers of old files, sinusoidal positions, and the constant that is
    /// added to logits.</summary>
    internal override bool IsBuffer(string name) => name == BiasName
        || name.EndsWith("coder.embed_tokens.weight", StringComparison.Ordinal) || name.EndsWith("coder.version", StringComparison.Ordinal)
        || (_config.Variant.Positions == BartPositions.Sinusoidal && name.EndsWith(PositionsName, StringComparison.Ordinal));

    internal override IEnumerable<(string Name, Tensor Value)> Buffers =>
    [
        .. _logitsBias is { } bias ? [(BiasName, bias.Value.View([1, VocabularySize]))] : ((string, Tensor)[])[],
        .. from stack in (BartStack[])[_encoder, _decoder]
           where stack.Sinusoids is { Stored: not null }
           select ($"{BasePrefix}{stack.Name}.{PositionsName}", stack.Sinusoids!.Stored!),
    ];

    internal override void ReadBuffer(WeightEntry entry, Backend backend)
    {
        if (entry.Name == BiasName && Task == ModelTask.Seq2SeqLm)
        {
            ReadLogitsBias(entry, backend);
        }
        else if (entry.Name.EndsWith(PositionsName, StringComparison.Ordinal))
        {
            (entry.Name.Contains("encoder.", StringComparison.Ordinal) ? _encoder : _decoder).Sinusoids!.Read(entry, backend);
        }
    }

    /// <summary>Reads the constant; published models have zeros, which need no addition.</summary>
    private void ReadLogitsBias(WeightEntry entry, Backend backend)
    {
        using var stored = new Parameter([1, VocabularySize]);
        WeightReader.Read(entry, stored, backend, DType.F32);
        if (!backend.IsMeta && stored.Value.ToFloats() is var values && values.Any(value => value != 0))
        {
            _logitsBias = new Parameter([VocabularySize]);
            _logitsBias.Materialize(backend, DType.F32).Upload(values);
        }
    }

    /// <summary>The constant of logits is cut, or continued with zeros, as in transformers.</summary>
    internal override void OnTokensResized()
    {
        if (_logitsBias is not { } old)
        {
            return;
        }
        float[] values = old.Value.ToFloats();
        Array.Resize(ref values, VocabularySize);
        _logitsBias = new Parameter([VocabularySize]);
        _logitsBias.Materialize(old.Value.Backend, DType.F32).Upload(values);
        old.Dispose();
    }

    private protected override void OnDispose() => _logitsBias?.Dispose();

    private protected override int[] ShiftRight(int[] labels, int batch) => _config.Variant.StartsWithLast
        ? ShiftedLabels.FromLast(labels, batch, PadToken) : base.ShiftRight(labels, batch);

    private protected override Tensor EmbedTokens(Tensor ids)
    {
        var x = base.EmbedTokens(ids);
        return _config.ScaleEmbedding ? x * MathF.Sqrt(HiddenSize) : x;
    }

    private protected override Tensor EmbedSource(Tensor embedded, ModelInputs inputs) => _encoder.Embed(embedded, inputs);

    private protected override Tensor EmbedTarget(Tensor embedded, ModelInputs inputs) => _decoder.Embed(embedded, inputs);

    private protected override Tensor EncoderBlock(int index, Tensor x, Tensor? bias, ModelInputs inputs) =>
        _encoder.Blocks[index].Forward(x, null, inputs);

    private protected override Tensor DecoderBlock(int index, Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs) =>
        _decoder.Blocks[index].Forward(x, states, inputs);

    private protected override Tensor FinishEncoder(Tensor x) => _encoder.FinalNorm?.Forward(x) ?? x;

    private protected override Tensor FinishDecoder(Tensor x) => _decoder.FinalNorm?.Forward(x) ?? x;

    internal override StackAttention CrossAttentionOf(int block) => _decoder.Blocks[block].CrossAttention!;

    private sealed class BartModules : Module
    {
        public BartModules(BartConfig c)
        {
            Shared = Add("shared", new Embedding(c.VocabularySize, c.HiddenSize, c.PadToken));
            Encoder = Add("encoder", new BartStack(c, decoderSites: null));
            Decoder = Add("decoder", new BartStack(c, new DropoutSites(c.Encoder.Layers)));
        }

        public Embedding Shared { get; }

        public BartStack Encoder { get; }

        public BartStack Decoder { get; }
    }
}

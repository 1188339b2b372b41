using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>SigLIP's tower of pictures (Zhai et al. 2023): a vision transformer without a class token. Alone it embeds a picture by
/// attention pooling (transformers' SiglipVisionModel); with a classifier it takes the mean of the patches (SiglipForImageClassification).
/// The tower of texts is left out.</summary>
internal sealed class Siglip : PictureModel
{
    private const string Tower = "vision_model", PoolingPath = Tower + ".head";

    private readonly SiglipSpec _spec;
    private readonly PatchPositions _positions;
    private readonly PatchTokens _tokens;
    private readonly PreNormBlock[] _blocks;
    private readonly LayerNorm _norm;
    private readonly AttentionPooling? _pooling;
    private readonly Linear? _classifier;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public Siglip(SiglipSpec spec, TaskSpec task) : base(spec.Blocks, spec.Layers, spec.Picture, task)
    {
        _spec = spec;
        int c = HiddenSize;
        var projection = AddPath($"{Tower}.embeddings.patch_embedding", PatchTokens.Projection(spec.Picture, c));
        var table = AddPath($"{Tower}.embeddings.position_embedding", new Embedding(spec.Picture.Grid.Count, c));
        _positions = new PatchPositions(spec.Picture.Grid);
        _tokens = new PatchTokens(projection, null, () => table.Weight.Value, _positions);
        _blocks = [.. Enumerable.Range(0, spec.Layers)
            .Select(i => AddPath($"{Tower}.encoder.layers.{i}", new PreNormBlock(spec.Blocks, i, i)))];
        _norm = AddPath($"{Tower}.post_layernorm", new LayerNorm(c, spec.Blocks.Epsilon));
        if (task.Task == ModelTask.ImageClassification)
        {
            _classifier = Add("classifier", new Linear(c, task.LabelCount, bias: true));
            Head = new ImageClassificationHead(PicturePooling.All, _classifier.Forward, task.Problem);
            return;
        }
        _pooling = spec.HasPooling ? AddPath(PoolingPath, new AttentionPooling(spec.Blocks)) : null;
        Head = _pooling is null ? new EmbeddingHead(EmbeddingHead.ModeOf(task.Pooling, isDecoder: false))
            : new EmbeddingHead(_pooling.Forward, AttentionPooling.Upload);
    }

    public override string ModelType => _spec.ModelType;

    internal override string BasePrefix => Tower + ".";

    internal override Linear? OutputLayer => _classifier;

    internal override IReadOnlyList<Module> FinalNorms => [_norm];

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    internal override long PositionTables(int length) => _positions.Version;

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal);

    // The attention pooling, which the classifier does not read, and the tower of texts.
    internal override bool IsOtherHead(string name) => _pooling is null && name.StartsWith(PoolingPath + ".", StringComparison.Ordinal);

    private protected override int TokensBefore => 0;

    private protected override TaskHead Head { get; }

    /// <summary>The hidden states of the patches after the last norm: (B, N, C).</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope(Tower);
        var x = _tokens.Forward(inputs);
        for (int i = 0; i < _blocks.Length; i++)
        {
            var block = _blocks[i];
            x = RunBlock(i, inputs, given => block.Forward(given[0]!, inputs), x);
        }
        return scope.Return(_norm.Forward(x));
    }

    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (Task != ModelTask.FeatureExtraction)
        {
            return base.Outputs(inputs);
        }
        var hidden = Hidden(inputs);
        return _pooling is null ? [("last_hidden_state", hidden)]
            : [("last_hidden_state", hidden), ("pooler_output", _pooling.Forward(hidden, inputs))];
    }

    private protected override void OnDispose() => _positions.Dispose();
}

/// <summary>SigLIP's tower of pictures, as its configuration says.</summary>
/// <param name="ModelType">model_type of config.json.</param>
/// <param name="Blocks">The blocks.</param>
/// <param name="Layers">Number of blocks.</param>
/// <param name="Picture">The pictures.</param>
/// <param name="HasPooling">Whether the weights have attention pooling.</param>
internal sealed record SiglipSpec(string ModelType, PreNormSpec Blocks, int Layers, PictureSpec Picture, bool HasPooling)
{
    /// <summary>Reads a config.json: that of the tower, or that of both towers, of which the one of texts is left out.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static SiglipSpec Read(ConfigReader config, TaskSpec task)
    {
        ForeignFields.Refuse(config, "siglip", ["text_config"]);
        string type = config.String("model_type");
        var tower = type == "siglip" ? config.Object("vision_config") : config;
        var blocks = ClipSpec.Blocks(tower, 768, 3072, 12, "gelu_pytorch_tanh", 1e-6);
        return new SiglipSpec(type, blocks, VisionFields.Layers(tower), PictureSpec.Read(tower, task.InterpolatesPositions),
            tower.Bool("vision_use_head", true));
    }
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A vision transformer (Dosovitskiy et al. 2021): a picture is cut into patches, whose embeddings run through blocks as those of
/// tokens do. A class token before them gathers what the head needs.</summary>
internal sealed class VisionTransformer : PictureModel
{
    private readonly VisionSpec _spec;
    private readonly PatchPositions _positions;
    private readonly PatchTokens _tokens;
    private readonly PreNormBlock[] _blocks;
    private readonly LayerNorm _norm;
    private readonly Linear? _pooler;
    private readonly Linear? _classifier;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public VisionTransformer(VisionSpec spec, TaskSpec task) : base(spec.Blocks, spec.Layers, spec.Picture, task)
    {
        _spec = spec;
        int c = HiddenSize;
        var embeddings = AddPath(BasePrefix + "embeddings.cls_token", new Parameter([1, 1, c]));
        if (spec.HasMaskToken)
        {
            AddPath(BasePrefix + "embeddings.mask_token", new Parameter([1, c]) { IsBuffer = true });
        }
        AddPath(BasePrefix + "embeddings.position_embeddings", new Parameter([1, 1 + spec.Picture.Grid.Count, c]));
        var projection = AddPath(BasePrefix + "embeddings.patch_embeddings.projection", PatchTokens.Projection(spec.Picture, c));
        _positions = new PatchPositions(spec.Picture.Grid);
        _tokens = new PatchTokens(projection, () => embeddings.OwnParameter("cls_token")!.Value,
            () => embeddings.OwnParameter("position_embeddings")!.Value, _positions);
        _blocks = [.. Enumerable.Range(0, spec.Layers)
            .Select(i => AddPath($"{BasePrefix}{spec.LayersPath}.{i}", new PreNormBlock(spec.Blocks, i, i)))];
        _norm = AddPath(BasePrefix + "layernorm", new LayerNorm(c, spec.Blocks.Epsilon));
        if (task.Task == ModelTask.ImageClassification)
        {
            _classifier = Add("classifier", new Linear(spec.PoolsPatches ? 2 * c : c, task.LabelCount, bias: true));
            Head = new ImageClassificationHead(spec.PoolsPatches ? PicturePooling.FirstAndPatches : PicturePooling.First,
                _classifier.Forward, task.Problem);
            return;
        }
        _pooler = spec.PoolerSize > 0 ? AddPath("pooler.dense", new Linear(c, spec.PoolerSize, bias: true)) : null;
        Head = new EmbeddingHead(task.Pooling is null ? PoolingMode.First : EmbeddingHead.ModeOf(task.Pooling, isDecoder: false));
    }

    public override string ModelType => _spec.ModelType;

    internal override string BasePrefix => Task == ModelTask.FeatureExtraction ? "" : _spec.Body + ".";

    internal override string MissingPrefix => Task == ModelTask.FeatureExtraction ? _spec.Body + "." : "";

    internal override Linear? OutputLayer => _classifier;

    internal override IReadOnlyList<Module> FinalNorms => [_norm];

    internal override RenamedModules? Renamed => _spec.Renamed;

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    internal override long PositionTables(int length) => _positions.Version;

    // A pooler is part of the body in weight files, but only the bare model has it.
    internal override bool IsHead(string path) => base.IsHead(path) || path.StartsWith("pooler.", StringComparison.Ordinal);

    internal override bool IsOtherHead(string name) => (_pooler is null && Inside(name).StartsWith("pooler.", StringComparison.Ordinal))
        || (!_spec.HasMaskToken && Inside(name) == "embeddings.mask_token");

    private protected override TaskHead Head { get; }

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = base.ToInputs(arrays);
        if (ReadsFirstAlone)
        {
            inputs.FirstRanges();
        }
        return inputs;
    }

    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return Hidden(inputs, firstAlone: false);
    }

    /// <summary>Whether the head reads the class token and no patch.</summary>
    private bool ReadsFirstAlone => Task == ModelTask.ImageClassification && !_spec.PoolsPatches;

    /// <summary>The hidden states that the head reads. In training the last block computes only the class token if the head reads no
    /// patches; outside of it all tokens, because statistics are taken of the inputs of its layers.</summary>
    private protected override Tensor HeadInput(ModelInputs inputs) => Hidden(inputs, firstAlone: Mode.Training && ReadsFirstAlone);

    private Tensor Hidden(ModelInputs inputs, bool firstAlone)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var x = _tokens.Forward(inputs);
        x = x.Dropout(LayerDropout.OfBase(Mode, _spec.Blocks.Dropout, block: -1, site: 0).Now);
        for (int i = 0; i < _blocks.Length; i++)
        {
            var block = _blocks[i];
            var ranges = firstAlone && block == _blocks[^1] ? inputs.FirstRanges() : null;
            x = RunBlock(i, inputs, given => Run(given[0]!), x);

            Tensor Run(Tensor h) => ranges is null ? block.Forward(h, inputs) : block.ForwardFirst(h, ranges);
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
        var first = hidden.FirstTokens();
        return [("last_hidden_state", hidden),
            ("pooler_output", _pooler is null ? first : Activations.Apply(_spec.PoolerActivation)(_pooler.Forward(first)))];
    }

    private protected override void OnDispose() => _positions.Dispose();

    /// <summary>A name without that of the body.</summary>
    private string Inside(string name) =>
        name.StartsWith(_spec.Body + ".", StringComparison.Ordinal) ? name[(_spec.Body.Length + 1)..] : name;
}

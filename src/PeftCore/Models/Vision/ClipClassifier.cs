using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>CLIP's tower of pictures with a classifier of the mean of its patches (transformers' CLIPForImageClassification). The tower of
/// texts is left out.</summary>
internal sealed class ClipClassifier : TransformerModel
{
    private const string Tower = "vision_model";

    private readonly ClipVisionSpec _spec;
    private readonly TaskSpec _task;
    private readonly ClipVisionTower _tower;
    private readonly Linear _classifier;
    private readonly ImageClassificationHead _head;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public ClipClassifier(ClipVisionSpec spec, TaskSpec task)
    {
        (_spec, _task) = (spec, task);
        _tower = Add(Tower, new ClipVisionTower(spec, firstSite: 0, pools: false));
        _classifier = Add("classifier", new Linear(spec.Blocks.HiddenSize, task.LabelCount, bias: true));
        _head = new ImageClassificationHead(PicturePooling.Patches, _classifier.Forward, task.Problem);
    }

    public override string ModelType => "clip";

    public override ModelTask Task => ModelTask.ImageClassification;

    public override IReadOnlyList<string> Labels => _task.Labels;

    public override int HiddenSize => _spec.Blocks.HiddenSize;

    public override int LayerCount => _spec.Layers;

    public override int MaxLength => 1 + _spec.Picture.Grid.Count;

    public override int HeadCount => _spec.Blocks.Heads;

    internal override string BasePrefix => Tower + ".";

    internal override bool ReadsTokens => false;

    internal override Linear? OutputLayer => _classifier;

    internal override bool TakesPrefix => false;

    internal override BlockResiduals ResidualsOf(int block) => _tower.Blocks[block].Residuals;

    internal override long PositionTables(int length) => _tower.Positions.Version;

    internal override SampleSizes InputsOf(int length) => new(Tokens: 0, _spec.Picture.Shape)
    {
        InterpolatesPixels = _spec.Picture.Interpolates,
    };

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal);

    public override ModelInputs ToInputs(InputArrays arrays) =>
        ModelInputs.Bidirectional(Backend, arrays, 1 + _spec.Picture.GridOf(arrays, ModelType).Count);

    public override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        _task.ToTargets(Backend, labels, batchSize, denominator);

    /// <summary>The hidden states of the class token and the patches: (B, 1 + N, C). No norm follows the last block.</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        using var pass = BeginPass();
        return _tower.Hidden(inputs, Recomputes(inputs));
    }

    public override Tensor Logits(ModelInputs inputs)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(_head.Logits(Hidden(inputs), inputs));
    }

    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(WithPenalty(_head.Loss(Hidden(inputs), inputs, targets), targets));
    }
}

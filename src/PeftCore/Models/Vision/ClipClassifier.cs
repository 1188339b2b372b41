using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>CLIP's tower of pictures with a classifier of the mean of its patches (transformers' CLIPForImageClassification). The tower of
/// texts is left out.</summary>
internal sealed class ClipClassifier : PictureModel
{
    private const string Tower = "vision_model";

    private readonly ClipVisionTower _tower;
    private readonly Linear _classifier;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public ClipClassifier(ClipVisionSpec spec, TaskSpec task) : base(spec.Blocks, spec.Layers, spec.Picture, task)
    {
        _tower = Add(Tower, new ClipVisionTower(spec, firstSite: 0, pools: false));
        _classifier = Add("classifier", new Linear(spec.Blocks.HiddenSize, task.LabelCount, bias: true));
        Head = new ImageClassificationHead(PicturePooling.Patches, _classifier.Forward, task.Problem);
    }

    public override string ModelType => "clip";

    internal override string BasePrefix => Tower + ".";

    internal override Linear? OutputLayer => _classifier;

    internal override bool StreamsBlocks => false;

    internal override BlockResiduals ResidualsOf(int block) => _tower.Blocks[block].Residuals;

    internal override long PositionTables(int length) => _tower.Positions.Version;

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal);

    private protected override TaskHead Head { get; }

    /// <summary>The hidden states of the class token and the patches: (B, 1 + N, C). No norm follows the last block.</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        return _tower.Hidden(inputs, Recomputes(inputs));
    }
}

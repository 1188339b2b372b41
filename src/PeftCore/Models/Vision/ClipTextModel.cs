using PeftCore.Nn;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>CLIP's tower of texts alone: what diffusion models read their prompts with. It returns hidden states, and the one of the token
/// that ends each text.</summary>
internal sealed class ClipTextModel : TransformerModel
{
    private readonly ClipTextSpec _spec;
    private readonly ClipTextTower _tower;
    private readonly EmbeddingHead _head;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public ClipTextModel(ClipTextSpec spec, TaskSpec task)
    {
        _spec = spec;
        _tower = Add("text_model", new ClipTextTower(spec));
        _head = new EmbeddingHead(EmbeddingHead.ModeOf(task.Pooling, isDecoder: true));
    }

    public override string ModelType => "clip_text_model";

    public override ModelTask Task => ModelTask.FeatureExtraction;

    public override int HiddenSize => _spec.Blocks.HiddenSize;

    public override int LayerCount => _spec.Layers;

    public override int MaxLength => _spec.MaxLength;

    public override int HeadCount => _spec.Blocks.Heads;

    public override Embedding TokenEmbedding => _tower.TokenEmbedding;

    internal override Linear? OutputLayer => null;

    internal override IReadOnlyList<Module> FinalNorms => [_tower.Norm];

    internal override bool StreamsBlocks => false;

    internal override BlockResiduals ResidualsOf(int block) => _tower.Blocks[block].Residuals;

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal);

    internal override bool IsOtherHead(string name) => name.StartsWith("text_projection.", StringComparison.Ordinal);

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = ModelInputs.Causal(Backend, arrays).WithEndTokens(_spec.EndsOf(arrays.Ids, arrays.BatchSize));
        if (VirtualTokenCount == 0)
        {
            _head.Upload(inputs);
        }
        return inputs;
    }

    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        (var x, inputs) = Embed(inputs);
        return scope.Return(_tower.Forward(x, inputs, Recomputes(inputs)));
    }

    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(_head.Logits(Hidden(inputs), inputs));
    }

    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(WithPenalty(_head.Loss(Hidden(inputs), inputs, targets), targets));
    }

    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var hidden = Hidden(inputs);
        return [("last_hidden_state", hidden), ("pooler_output", hidden.LastTokens(inputs))];
    }
}

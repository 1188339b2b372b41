using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A bidirectional encoder (Devlin et al. 2019): every token attends to all tokens of its row. A head classifies rows or tokens,
/// finds answers, or predicts masked tokens.</summary>
internal abstract class EncoderModel : TransformerModel
{
    private HeadLayers? _headLayers;
    private TaskHead? _head;

    /// <summary>Starts the declaration; the family adds its body and then calls <see cref="AddHead"/>.</summary>
    protected EncoderModel(EncoderSpec spec, TaskSpec task)
    {
        (Spec, TaskSpec) = (spec, task);
    }

    /// <summary>The sizes and switches.</summary>
    public EncoderSpec Spec { get; }

    /// <inheritdoc/>
    public override ModelTask Task => TaskSpec.Task;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Labels => TaskSpec.Labels;

    /// <inheritdoc/>
    public override string? ProblemType => TaskSpec.ProblemType;

    internal override string? Pooling => TaskSpec.Pooling;

    internal override float? Temperature => TaskSpec.Temperature;

    /// <inheritdoc/>
    public override string ModelType => Spec.ModelType;

    /// <inheritdoc/>
    public override int HiddenSize => Spec.HiddenSize;

    /// <inheritdoc/>
    public override int LayerCount => Spec.Layers;

    /// <inheritdoc/>
    public override int MaxLength => Spec.MaxLength;

    /// <inheritdoc/>
    public override int HeadCount => Spec.Heads;

    /// <inheritdoc/>
    internal override string BasePrefix => Task == ModelTask.FeatureExtraction ? "" : Spec.Body + ".";

    internal override string MissingPrefix => Task == ModelTask.FeatureExtraction ? Spec.Body + "." : "";

    internal override Linear? OutputLayer => Task == ModelTask.FeatureExtraction ? null : _headLayers!.Last;

    internal override IReadOnlyList<string> HeadModules
    {
        get
        {
            var ends = SavedHead.NamesOf(this);
            return [.. Children.Select(child => child.Key).Where(name => ends.Any(end => name.EndsWith(end, StringComparison.Ordinal)))];
        }
    }

    internal override string HeadTable => _headLayers!.VocabularyPath is { } path ? path + ".weight" : base.HeadTable;

    /// <summary>The task and the classes.</summary>
    protected TaskSpec TaskSpec { get; }

    /// <summary>Adds a module of the head under its path. "{body}" stands for the name of the bare model.</summary>
    internal void AddPart(string path, Module module) => AddPath(WithBody(path), module);

    /// <summary>Adds a parameter of the head under its path.</summary>
    /// <returns>The module that has it.</returns>
    internal Module AddPart(string path, Parameter parameter) => AddPath(WithBody(path), parameter);

    /// <summary>Adds a module of the body.</summary>
    protected T AddBody<T>(string path, T module) where T : Module => AddPath(BasePrefix + path, module);

    /// <summary>Adds a module of the body.</summary>
    protected void AddToBody(string path, Module module) => AddPath(BasePrefix + path, module);

    /// <summary>Adds the head, after the body.</summary>
    protected void AddHead()
    {
        _headLayers = new HeadLayers(this, Spec);
        Spec.Head(_headLayers, Spec, TaskSpec);
        _head = Task switch
        {
            ModelTask.SequenceClassification => new SequenceClassificationHead(
                Spec.PoolsMean ? PoolingMode.Mean : PoolingMode.First, _headLayers.Run, TaskSpec.Problem),
            ModelTask.TokenClassification => new TokenClassificationHead(_headLayers.Run),
            ModelTask.QuestionAnswering => new SpanHead(_headLayers.Run),
            ModelTask.MaskedLm => new MaskedLmHead(_headLayers.Run),
            _ => new EmbeddingHead(EmbeddingHead.ModeOf(TaskSpec.Pooling, isDecoder: false), TaskSpec.Temperature),
        };
    }

    /// <inheritdoc/>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return Hidden(inputs, firstAlone: false);
    }

    /// <inheritdoc/>
    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(_head!.Logits(HeadInput(inputs), inputs));
    }

    /// <inheritdoc/>
    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(WithPenalty(_head!.Loss(HeadInput(inputs), inputs, targets), targets));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        switch (Task)
        {
            case ModelTask.FeatureExtraction:
                var hidden = Hidden(inputs);
                return _headLayers is null or { IsEmpty: true } ? [("last_hidden_state", hidden)]
                    : [("last_hidden_state", hidden), ("pooler_output", _headLayers.Run(hidden.FirstTokens()))];
            case ModelTask.QuestionAnswering:
                return SpanHead.Outputs(Logits(inputs));
            default:
                return base.Outputs(inputs);
        }
    }

    /// <inheritdoc/>
    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = ModelInputs.Bidirectional(Backend, arrays);
        // What the pass reads is uploaded before it, so that the pass can be captured.
        if (Spec.PositionRows > 0)
        {
            inputs.PositionsFrom(Spec.PositionOffset);
        }
        if (Spec.TokenTypes > 0)
        {
            inputs.UploadTokenTypes();
        }
        if (ReadsFirstAlone)
        {
            inputs.FirstRanges();
        }
        UploadWindows(inputs);
        _head!.Upload(inputs);
        return inputs;
    }

    /// <summary>Uploads the ranges of blocks with a window.</summary>
    protected virtual void UploadWindows(ModelInputs inputs) { }

    /// <inheritdoc/>
    public override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        TaskSpec.ToTargets(Backend, labels, batchSize, denominator);

    // A pooler is part of the body in weight files, but only heads use it.
    internal override bool IsHead(string path) => base.IsHead(path) || path.StartsWith(BasePrefix + "pooler.", StringComparison.Ordinal);

    internal override bool IsOtherHead(string name) => Find(BasePrefix + "pooler") is null
        && (name.StartsWith("pooler.", StringComparison.Ordinal) || name.StartsWith(Spec.Body + ".pooler.", StringComparison.Ordinal));

    internal override bool IsUnread(string path) => Find("pooler") is null && IsOtherHead(path);

    internal override bool IsBuffer(string name) => name.EndsWith("embeddings.position_ids", StringComparison.Ordinal)
        || name.EndsWith("embeddings.token_type_ids", StringComparison.Ordinal) || name == _headLayers!.RepeatedBias;

    // Files converted from TensorFlow call scale and shift of a norm gamma and beta.
    internal override string? OldName(string path) =>
        path.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? path[..^"weight".Length] + "gamma"
        : path.EndsWith("LayerNorm.bias", StringComparison.Ordinal) ? path[..^"bias".Length] + "beta" : null;

    /// <summary>What comes between the word embeddings and the first block: (B, T, E) to (B, T, C).</summary>
    protected abstract Tensor Start(Tensor words, ModelInputs inputs);

    /// <summary>Runs one block.</summary>
    protected abstract Tensor Block(int index, Tensor x, ModelInputs inputs);

    /// <summary>Runs one block for the first token of each row alone: (B, T, C) to (B, 1, C).</summary>
    /// <returns>Null if the block cannot, or the inputs do not allow it.</returns>
    protected virtual Tensor? FirstOfBlock(int index, Tensor x, ModelInputs inputs) => null;

    /// <summary>What follows the last block.</summary>
    protected virtual Tensor Finish(Tensor x) => x;

    /// <summary>Whether the head reads the first token of each row and no other.</summary>
    private bool ReadsFirstAlone => Task == ModelTask.SequenceClassification && !Spec.PoolsMean;

    private Tensor Hidden(ModelInputs inputs, bool firstAlone)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope();
        (var x, inputs) = Embed(inputs);
        x = Start(x, inputs);
        for (int i = 0; i < LayerCount; i++)
        {
            int layer = i;
            x = RunBlock(i, inputs, given => Run(given[0]!), x);

            Tensor Run(Tensor h) =>
                (firstAlone && layer == LayerCount - 1 ? FirstOfBlock(layer, h, inputs) : null) ?? Block(layer, h, inputs);
        }
        return scope.Return(Finish(x));
    }

    /// <summary>The hidden states that the head reads. In training the last block computes only first tokens if the head reads no others;
    /// outside of it all tokens, because statistics are taken of the inputs of its layers. A head that predicts something of every token
    /// leaves out virtual tokens, which have no target.</summary>
    private protected virtual Tensor HeadInput(ModelInputs inputs)
    {
        var hidden = Hidden(inputs, firstAlone: Mode.Training && ReadsFirstAlone);
        return Task is ModelTask.TokenClassification or ModelTask.MaskedLm ? TaskHead.OfTokens(hidden, inputs.Places) : hidden;
    }

    private string WithBody(string path) => path.Replace("{body}.", BasePrefix, StringComparison.Ordinal);
}

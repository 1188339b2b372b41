using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>A decoder-only transformer (Radford et al. 2018) built from a <see cref="DecoderSpec"/>: embedding, blocks, norm, head. The
/// idea is litgpt's: one model, its families as rows of switches.</summary>
internal sealed class Decoder : CausalModel
{
    private readonly TaskSpec _task;
    private readonly Linear? _head;
    private readonly DecoderPositions _positionTables;
    private readonly Linear? _embeddingIn;
    private readonly Linear? _embeddingOut;
    private readonly Embedding? _positions;
    private readonly Layer? _embeddingNorm;
    private readonly DecoderBlock[] _blocks;
    private readonly int _alike; // the longest sequence without windows that cut ranges, and without factors of queries

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    /// <param name="spec">Sizes and switches.</param>
    /// <param name="task">The task of the head; null for a language model.</param>
    public Decoder(DecoderSpec spec, TaskSpec? task = null)
    {
        (Spec, _task) = (spec, task ?? TaskSpec.CausalLm);
        var names = spec.Names;
        int embedding = spec.EmbeddingSize == 0 ? spec.HiddenSize : spec.EmbeddingSize;
        _positionTables = new DecoderPositions(spec);
        _alike = spec.Windows.Distinct.Where(window => window > 0).Append(spec.QueryGrowth?.Length ?? int.MaxValue).Min();
        TokenEmbedding = Body(names.Embedding, new Embedding(spec.VocabularySize, embedding));
        if (spec.LearnedPositionOffset is { } offset)
        {
            _positions = Body(names.Positions, new Embedding(spec.MaxLength + offset, spec.HiddenSize));
        }
        if (embedding != spec.HiddenSize)
        {
            _embeddingIn = Body(names.EmbeddingIn, new Linear(embedding, spec.HiddenSize));
            _embeddingOut = Body(names.EmbeddingOut, new Linear(spec.HiddenSize, embedding));
        }
        _embeddingNorm = names.EmbeddingNorm is { } first ? Body(first, spec.Norm.Create(spec.HiddenSize, spec.Epsilon)) : null;
        var layers = Body(names.Layers, new ModuleList());
        _blocks = [.. Enumerable.Range(0, spec.Layers).Select(i => layers.Append(new DecoderBlock(spec, i, _positionTables)))];
        FinalNorm = names.FinalNorm is { } last ? Body(last, spec.Norm.Create(spec.HiddenSize, spec.Epsilon)) : new Identity();
        if (IsBare)
        {
            OtherHead = new EmbeddingHead(EmbeddingHead.ModeOf(_task.Pooling, isDecoder: true), _task.Temperature);
            return;
        }
        if (_task.Task == ModelTask.SequenceClassification)
        {
            _head = Add("score", new Linear(embedding, _task.LabelCount));
            OtherHead = new SequenceClassificationHead(
                _task.AsEager ? PoolingMode.LastPlaceIfPrompted : PoolingMode.Last, _head.Forward, _task.Problem);
            return;
        }
        _head = AddPath(names.Head, new Linear(embedding, spec.VocabularySize, spec.HeadBias));
        if (spec.TieEmbeddings)
        {
            _head.Tie(TokenEmbedding.Weight);
        }

        // A bare model has no name of its own in front.
        T Body<T>(string name, T child) where T : Module => AddPath((names.Body + "." + name)[(IsBare ? BodyName.Length + 1 : 0)..], child);
    }

    /// <summary>Declares the model of a configuration, with the head of a task.</summary>
    public static Decoder Of(DecoderSpec spec, ConfigReader config, TaskSpec task) => new(task.Task == ModelTask.CausalLm ? spec
        : spec with { PaddingToken = config.IntOrNull("pad_token_id", min: 0, max: spec.VocabularySize - 1) }, task);

    /// <summary>The switches.</summary>
    public DecoderSpec Spec { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Labels => _task.Labels;

    /// <inheritdoc/>
    public override string? ProblemType => _task.ProblemType;

    internal override string? Pooling => _task.Pooling;

    internal override float? Temperature => _task.Temperature;

    internal override TaskHead? OtherHead { get; }

    internal override IReadOnlyList<string> HeadModules => OtherHead is null || IsBare ? [] : [Head.Name];

    /// <inheritdoc/>
    public override string ModelType => Spec.ModelType;

    /// <inheritdoc/>
    public override int HiddenSize => Spec.HiddenSize;

    /// <inheritdoc/>
    public override int LayerCount => Spec.Layers;

    /// <inheritdoc/>
    public override int MaxLength => Spec.MaxLength;

    internal override int LengthOfSharedPositions => _positionTables.SharedLength(MaxLength);

    /// <inheritdoc/>
    public override Embedding TokenEmbedding { get; }

    /// <inheritdoc/>
    public override Linear Head => _head ?? throw new BadInputException(
        $"this {ModelType} model returns hidden states, so it has no layer over the vocabulary; load a language model");

    internal override Linear? OutputLayer => _head;

    private bool IsBare => _task.Task == ModelTask.FeatureExtraction;

    private string BodyName => Spec.Names.Body.Split('.')[0];

    /// <inheritdoc/>
    internal override string BasePrefix => IsBare ? "" : BodyName + ".";

    internal override string MissingPrefix => IsBare ? BodyName + "." : "";

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return IsBare ? [("last_hidden_state", Hidden(inputs))] : base.Outputs(inputs);
    }

    /// <inheritdoc/>
    public override Layer FinalNorm { get; }

    /// <inheritdoc/>
    public override int HeadCount => Spec.Heads;

    /// <inheritdoc/>
    internal override int KeyHeadCount => Spec.KeyHeads;

    /// <inheritdoc/>
    public override int HeadDim => Spec.HeadDim;

    private protected override float BalanceFactor => Spec.Experts?.BalanceFactor ?? 0;

    internal override bool ReadsPadding => BalanceFactor > 0 && OtherHead is null;

    /// <inheritdoc/>
    private protected override float LogitMultiplier => Spec.LogitMultiplier;

    /// <inheritdoc/>
    private protected override float LogitSoftCap => Spec.LogitSoftCap;

    internal override CausalModel Untied() => new Decoder(Spec with { TieEmbeddings = false }, _task);

    internal override string HeadTable => FileName(Spec.Names.Head + ".weight");

    internal override string FileName(string path) => Spec.Names is { HeadInFiles: { } head } names
        && path.StartsWith(names.Head + ".", StringComparison.Ordinal) ? head + path[names.Head.Length..] : path;

    /// <inheritdoc/>
    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        if (Spec.PositionsOfMask && arrays is { Mask: { } mask, Positions: null, BatchSize: > 0 } && mask.Length >= arrays.BatchSize)
        {
            arrays = arrays with { Positions = PositionsOf(mask, arrays.BatchSize) };
        }
        var inputs = base.ToInputs(OtherHead is null || arrays.Mask is not null ? arrays : arrays with { Tokens = TokensOf(arrays) });
        // What the pass reads is uploaded before it, so that the pass can be captured. Virtual tokens change the inputs in the pass.
        if (VirtualTokenCount == 0)
        {
            Upload(inputs);
        }
        OtherHead?.Upload(inputs);
        return inputs;
    }

    private void Upload(ModelInputs inputs)
    {
        if (Spec.LearnedPositionOffset is { } offset)
        {
            inputs.PositionsFrom(offset);
        }
        if (Spec.QueryGrowth is { } growth && inputs.Longest > growth.Length)
        {
            inputs.QueryGrowth(growth);
        }
        if (Spec.ReadsTokenMask)
        {
            inputs.TokenMask();
        }
        foreach (int window in Spec.Windows.Distinct)
        {
            inputs.Windowed(window);
        }
        if (ReadsPadding)
        {
            inputs.TokenShares();
        }
    }

    internal override bool ReadsTokensAlone(int longest, bool hasRanges) => (Spec.LearnedPositionOffset ?? 0) == 0
        && longest <= _alike && !ReadsPadding && !(hasRanges && Spec.ReadsTokenMask);

    /// <inheritdoc/>
    public override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        _task.ToTargets(Backend, labels, batchSize, denominator);

    /// <summary>1 for a token, 0 for padding, told apart by their ids, as transformers does to find the last token of a row.</summary>
    private int[]? TokensOf(InputArrays arrays) =>
        Spec.PaddingToken is { } padding ? Array.ConvertAll(arrays.Ids, id => id == padding ? 0 : 1)
        : arrays.BatchSize == 1 ? null : throw new BadInputException(
            "the last token of each row is classified, and without pad_token_id in config.json it is not known which tokens are padding; " +
            "add it, give a mask, or classify one text at a time");

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    // Rotary frequencies and causal masks, which older versions of transformers saved.
    internal override bool IsBuffer(string name) => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal)
        || name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".masked_bias", StringComparison.Ordinal)
        || name.EndsWith(".attention.bias", StringComparison.Ordinal)
        || Spec.IsLeftOut?.Invoke(name) == true;

    internal override int ValueColumns => Spec.KeyHeads * (Spec.ValueDim == 0 ? Spec.HeadDim : Spec.ValueDim);

    internal override IReadOnlyList<WeightPiece>? PiecesOf(string path) => Spec.Experts?.PiecesOf(path);

    internal override long PositionTables(int length) => _positionTables.State(length + VirtualTokenCount);

    /// <inheritdoc/>
    private protected override Tensor EmbedTokens(Tensor ids)
    {
        var x = TokenEmbedding.Forward(ids);
        return Spec.TokenMultiplier == 1 ? x : x * Spec.TokenMultiplier;
    }

    /// <summary>What comes between the embeddings and the first block.</summary>
    protected override Tensor AddPositions(Tensor embedded, ModelInputs inputs)
    {
        var x = embedded;
        if (_embeddingIn is not null)
        {
            x = _embeddingIn.Forward(x);
        }
        if (Spec.EmbeddingMultiplier != 1)
        {
            x *= Spec.EmbeddingMultiplier;
        }
        if (_positions is not null)
        {
            x += _positions.Forward(inputs.PositionsFrom(Spec.LearnedPositionOffset!.Value));
        }
        if (_embeddingNorm is not null)
        {
            x = _embeddingNorm.Forward(x);
        }
        return x.Dropout(LayerDropout.OfBase(Mode, Spec.EmbeddingDropout, block: -1, site: 0).Now);
    }

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _blocks[index].Forward(x, inputs);

    /// <inheritdoc/>
    private protected override Tensor Finish(Tensor x)
    {
        x = FinalNorm.Forward(x);
        return _embeddingOut is null ? x : _embeddingOut.Forward(x);
    }

    /// <summary>The number of tokens before each one in its row; −1 for padding before them, as for all padding in transformers.</summary>
    private static int[] PositionsOf(int[] mask, int batch)
    {
        int[] positions = new int[mask.Length];
        for (int i = 0, tokens = 0; i < mask.Length; i++)
        {
            tokens = i % (mask.Length / batch) == 0 ? mask[i] : tokens + mask[i];
            positions[i] = mask[i] * tokens - 1;
        }
        return positions;
    }

    private protected override void OnDispose() => _positionTables.Dispose();
}

/// <summary>y = x.</summary>
internal sealed class Identity : Layer
{
    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => x;
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>An encoder with a norm after each sublayer (Vaswani et al. 2017): the embeddings of words, positions and token types are
/// added and normalised, then come the blocks. BERT and its relatives are specs of this class.</summary>
internal sealed class PostNormEncoder : EncoderModel
{
    private readonly Embedding? _positions;
    private readonly Embedding? _types;
    private readonly BoxEmbeddings? _boxes;
    private readonly LayerNorm _norm;
    private readonly Linear? _projection;
    private readonly DisentangledPositions? _relative;
    private readonly PostNormBlock[] _blocks;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public PostNormEncoder(EncoderSpec spec, TaskSpec task) : base(spec, task)
    {
        var names = spec.Names;
        TokenEmbedding = AddBody(names.Words, new Embedding(spec.VocabularySize, spec.EmbeddingSize, spec.PaddingToken));
        int? unused = spec.CountsTokens ? spec.PaddingToken : null;
        _positions = spec.PositionRows == 0 ? null
            : AddBody(names.Positions, new Embedding(spec.PositionRows, spec.EmbeddingSize, unused));
        _types = spec.TokenTypes > 0 ? AddBody(names.Types, new Embedding(spec.TokenTypes, spec.EmbeddingSize)) : null;
        _boxes = spec.Boxes is { } boxes ? new BoxEmbeddings(boxes, (name, table) => AddBody("embeddings." + name, table)) : null;
        _norm = AddBody(names.EmbeddingNorm, new LayerNorm(spec.EmbeddingSize, spec.Epsilon));
        // ALBERT has this layer even for embeddings of the size of a hidden state.
        _projection = spec.EmbeddingSize == spec.HiddenSize && spec.Groups == 0 ? null
            : AddBody(names.Projection, new Linear(spec.EmbeddingSize, spec.HiddenSize, bias: true));
        _relative = spec.Relative is { } relative ? new DisentangledPositions(relative, spec) : null;
        _relative?.AddTo(AddToBody);
        _blocks = [.. Enumerable.Range(0, spec.Groups > 0 ? spec.Groups : spec.Layers)
            .Select(i => AddBody($"{names.Layers}.{i}{names.Inside}", new PostNormBlock(spec, _relative)))];
        AddHead();
    }

    /// <inheritdoc/>
    public override Embedding TokenEmbedding { get; }

    /// <inheritdoc/>
    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        Spec.Boxes?.Check(arrays, ModelType);
        var inputs = base.ToInputs(Spec is { CountsTokens: true, PaddingToken: { } token } && arrays.Positions is null
            ? arrays.WithPositions(CountedPositions(arrays, token)) : arrays);
        if (_boxes is not null)
        {
            BoxEmbeddings.Upload(inputs);
        }
        return inputs;
    }

    internal override SampleSizes InputsOf(int length) => new(length, LargestCoordinate: Spec.Boxes?.Most);

    internal override TransformerModel Untied() => new PostNormEncoder(Spec with { TieEmbeddings = false }, TaskSpec);

    // Keys of a prefix have no distance from the tokens.
    internal override bool TakesPrefix => _relative is null;

    internal override long PositionTables(int length) => _relative?.Version ?? 0;

    internal override BlockResiduals ResidualsOf(int block) => BlockOf(block).Residuals;

    /// <inheritdoc/>
    protected override Tensor Start(Tensor words, ModelInputs inputs)
    {
        var x = words;
        if (_types is not null)
        {
            x += _types.Forward(inputs.TokenTypes());
        }
        if (_positions is not null)
        {
            x += _positions.Forward(inputs.PositionsFrom(Spec.PositionOffset));
        }
        if (_boxes is not null)
        {
            x += _boxes.Forward(inputs);
        }
        x = _norm.Forward(x).Dropout(LayerDropout.OfBase(Mode, Spec.Dropout, block: -1, site: 0).Now);
        return _projection is null ? x : _projection.Forward(x);
    }

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => BlockOf(index).Forward(index, x, inputs);

    /// <inheritdoc/>
    protected override Tensor? FirstOfBlock(int index, Tensor x, ModelInputs inputs) =>
        _relative is null && inputs.FirstRanges() is { } ranges ? BlockOf(index).ForwardFirst(index, x, ranges) : null;

    // Groups of equal size share a block (ALBERT).
    private PostNormBlock BlockOf(int index) => _blocks[index * _blocks.Length / Spec.Layers];

    private protected override void OnDispose() => _relative?.Dispose();

    /// <summary>Positions that count the tokens other than padding; padding has the one before the first.</summary>
    internal static int[] CountedPositions(InputArrays arrays, int token)
    {
        int length = arrays.Ids.Length / Math.Max(1, arrays.BatchSize);
        int[] positions = new int[arrays.Ids.Length];
        for (int i = 0, count = 0; i < positions.Length; i++)
        {
            count = i % length == 0 ? 0 : count;
            positions[i] = arrays.Ids[i] == token ? -1 : count++;
        }
        return positions;
    }
}

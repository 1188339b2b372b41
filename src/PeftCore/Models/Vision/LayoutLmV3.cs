using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using Embedding = PeftCore.Nn.Embedding;

namespace PeftCore.Models;

/// <summary>LayoutLMv3 (Huang et al. 2022): the tokens of a document with their boxes, and the patches of its picture, run through one
/// encoder. Distances between tokens, and between boxes, are biases of the attention scores.</summary>
/// <remarks>Patches come before tokens here, so that padding, which follows the tokens, ends a row; attention does not depend on the order.
/// <see cref="Hidden"/> has the order of transformers, tokens first.</remarks>
internal sealed class LayoutLmV3 : EncoderModel
{
    private readonly LayoutLmV3Spec _layout;
    private readonly Embedding _positions;
    private readonly Embedding _types;
    private readonly BoxEmbeddings _boxes;
    private readonly LayerNorm _textNorm;
    private readonly PatchPositions? _grid;
    private readonly PatchTokens? _patches;
    private readonly LayerNorm? _patchNorm;
    private readonly LayerNorm? _norm;
    private readonly LayoutBias? _bias;
    private readonly PostNormBlock[] _blocks;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public LayoutLmV3(LayoutLmV3Spec layout, TaskSpec task) : base(layout.Encoder, task)
    {
        var spec = layout.Encoder;
        int c = spec.HiddenSize;
        _layout = layout;
        TokenEmbedding = AddBody("embeddings.word_embeddings", new Embedding(spec.VocabularySize, c, spec.PaddingToken));
        _types = AddBody("embeddings.token_type_embeddings", new Embedding(spec.TokenTypes, c));
        _textNorm = AddBody("embeddings.LayerNorm", new LayerNorm(c, spec.Epsilon));
        _positions = AddBody("embeddings.position_embeddings", new Embedding(spec.PositionRows, c, spec.PaddingToken));
        _boxes = new BoxEmbeddings(spec.Boxes!, (name, table) => AddBody("embeddings." + name, table));
        if (layout.Picture is { } picture)
        {
            var projection = AddBody("patch_embed.proj", PatchTokens.Projection(picture, c));
            var owner = AddPath(BasePrefix + "cls_token", new Parameter([1, 1, c]));
            AddPath(BasePrefix + "pos_embed", new Parameter([1, 1 + picture.Grid.Count, c]));
            _grid = new PatchPositions(picture.Grid);
            _patches = new PatchTokens(projection, () => owner.OwnParameter("cls_token")!.Value,
                () => owner.OwnParameter("pos_embed")!.Value, _grid);
            _norm = AddBody("LayerNorm", new LayerNorm(c, spec.Epsilon));
            _patchNorm = AddBody("norm", new LayerNorm(c, LayoutLmV3Spec.PatchEpsilon));
        }
        _bias = layout.Bias is { } bias
            ? new LayoutBias(bias, spec.Heads, (name, parameter) => AddPath($"{BasePrefix}encoder.{name}.weight", parameter)) : null;
        _blocks = [.. Enumerable.Range(0, spec.Layers).Select(i => AddBody($"encoder.layer.{i}", new PostNormBlock(spec, relative: null)))];
        AddHead();
    }

    /// <inheritdoc/>
    public override Embedding TokenEmbedding { get; }

    internal override bool TakesPrompts => false;

    internal override bool TakesPrefix => false;

    internal override SampleSizes InputsOf(int length) => new(length, _layout.Picture?.Shape, LargestCoordinate: Spec.Boxes!.Most);

    // transformers reads the tables of these linear layers and never calls them, so their adapters do nothing.
    internal override bool IsUnread(string path) => base.IsUnread(path)
        || (path.StartsWith(BasePrefix + "encoder.rel_pos_", StringComparison.Ordinal)
            && !path.EndsWith("_bias.weight", StringComparison.Ordinal));

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    /// <inheritdoc/>
    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        Spec.Boxes!.Check(arrays, ModelType);
        int batch = arrays.BatchSize, tokens = arrays.Ids.Length / Math.Max(1, batch), patches = PatchesOf(arrays);
        var text = base.ToInputs(arrays with
        {
            Pixels = null,
            Positions = arrays.Positions ?? PostNormEncoder.CountedPositions(arrays, Spec.PaddingToken!.Value),
        });
        BoxEmbeddings.Upload(text);
        var joined = ModelInputs.Bidirectional(Backend, new InputArrays
        {
            BatchSize = batch,
            Ids = arrays.Pixels is null ? arrays.Ids : [],
            Pixels = arrays.Pixels,
            Ranges = RangesOf(arrays.Mask, batch, tokens, patches),
        }, patches + tokens);
        _bias?.Upload(joined, new LayoutPlaces(arrays.Boxes!, batch, tokens, patches, _layout.Picture?.Grid ?? default));
        return text.AddPictures(joined);
    }

    /// <inheritdoc/>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var states = Encode(inputs);
        int patches = states.Shape[1] - inputs.Places;
        return scope.Return(patches == 0 ? states : Part(states, patches, inputs.Places, flat: true)
            .ConcatColumns(Part(states, 0, patches, flat: true)).Reshape(states.Shape));
    }

    // Answers are looked for among all states, as in transformers; other heads read the tokens.
    private protected override Tensor HeadInput(ModelInputs inputs)
    {
        if (Task == ModelTask.QuestionAnswering)
        {
            return Hidden(inputs);
        }
        using var scope = new TensorScope();
        var states = Encode(inputs);
        int patches = states.Shape[1] - inputs.Places;
        return scope.Return(patches == 0 ? states : Part(states, patches, inputs.Places, flat: false));
    }

    /// <inheritdoc/>
    protected override Tensor Start(Tensor words, ModelInputs inputs)
    {
        var x = words + _types.Forward(inputs.TokenTypes()) + _positions.Forward(inputs.PositionsFrom(Spec.PositionOffset))
            + _boxes.Forward(inputs);
        return Dropped(_textNorm.Forward(x), site: 0);
    }

    /// <inheritdoc/>
    protected override Tensor Block(int index, Tensor x, ModelInputs inputs) => _blocks[index].Forward(index, x, inputs);

    private protected override void OnDispose() => _grid?.Dispose();

    /// <summary>The states of the patches, then those of the tokens: (B, patches + T, C).</summary>
    private Tensor Encode(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var joined = inputs.Pictures!;
        var (words, _) = Embed(inputs);
        var x = Start(words, inputs);
        if (joined.Dense.Pixels is { } pixels)
        {
            int columns = Spec.HiddenSize, patch = _layout.Picture!.Patch, rows = joined.Batch;
            var grid = new PictureGrid(pixels.Shape[2] / patch, pixels.Shape[3] / patch);
            var patches = _patchNorm!.Forward(_patches!.Forward(pixels, grid));
            x = patches.Reshape([rows, patches.Shape[1] * columns]).ConcatColumns(x.Reshape([rows, x.Shape[1] * columns]))
                .Reshape([rows, joined.Places, columns]);
            x = Dropped(_norm!.Forward(x), site: 1);
        }
        var bias = _bias?.Of(joined, 1 / MathF.Sqrt(Spec.HiddenSize / Spec.Heads));
        for (int i = 0; i < LayerCount; i++)
        {
            int layer = i;
            x = RunBlock(i, inputs, given => _blocks[layer].Forward(layer, given[0]!, joined, given[1]), x, bias);
        }
        return scope.Return(x);
    }

    private Tensor Dropped(Tensor x, int site) => x.Dropout(LayerDropout.OfBase(Mode, Spec.Dropout, block: -1, site).Now);

    /// <summary>States [first, first + count) of each row.</summary>
    private static Tensor Part(Tensor states, int first, int count, bool flat)
    {
        int rows = states.Shape[0], columns = states.Shape[2];
        var part = states.Reshape([rows, states.Shape[1] * columns]).Columns(first * columns, count * columns);
        return flat ? part : part.Reshape([rows, count, columns]);
    }

    private int PatchesOf(InputArrays arrays)
    {
        if (arrays.Pixels is null)
        {
            return 0;
        }
        return 1 + (_layout.Picture?.GridOf(arrays, ModelType).Count
            ?? throw new BadInputException($"this {ModelType} model reads no pictures (visual_embed is false); leave them out"));
    }

    /// <summary>The patches and the tokens of each row: all keys before its padding.</summary>
    private static int[] RangesOf(int[]? mask, int batch, int tokens, int patches)
    {
        int[] ranges = new int[2 * batch * (patches + tokens)];
        for (int b = 0; b < batch; b++)
        {
            var row = mask.AsSpan(mask is null ? 0 : b * tokens, mask is null ? 0 : tokens);
            int count = mask is null ? tokens : row.Count(1);
            if (mask is not null && row[..count].Contains(0))
            {
                throw new BadInputException("the mask has padding before or between the tokens of a document; put it after them");
            }
            for (int t = 0; t < patches + tokens; t++)
            {
                ranges[2 * (b * (patches + tokens) + t) + 1] = patches + count;
            }
        }
        return ranges;
    }
}

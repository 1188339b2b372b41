using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The inputs of a model: token ids, pixels, sound or boxes, and the positions and attention ranges of its hidden
/// states. How they are made is in ModelInputs.Variants.cs, what models compute of them in ModelInputs.Uploads.cs.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// using var scope = new TensorScope();
/// int[] ids = [5, 6, 7, 8, 9, 10]; // two rows of three tokens
/// var logits = model.Logits(ModelInputs.From(backend, ids, batch: 2)); // (2, 3, vocabulary)
/// </code>
/// </example>
public sealed partial class ModelInputs
{
    private readonly Tensor? _ids;
    private readonly int[] _positions;
    private readonly bool _hasNegativePositions;
    private readonly int[]? _ranges;
    private Tensor? _holeBias;

    // The scope of these inputs' tensors, which outlive a pass.
    private readonly Tensor _owner;

    /// <summary>The token ids on the host; null without tokens.</summary>
    private int[]? IdsOnHost { get; set; }

    /// <summary>Whether these are the inputs of a batch as it came from the host.</summary>
    private bool IsUploadable { get; set; }

    private ModelInputs(Tensor ids, int[] positions, int[]? ranges)
        : this(ids, ids, ids.Shape[1], positions, ranges, ids.Shape[0])
    {
    }

    /// <summary>Inputs of hidden states that need not be those of tokens.</summary>
    /// <param name="owner">A tensor of the batch, whose scope later ones share.</param>
    /// <param name="ids">I32 (batch, tokens), or null.</param>
    /// <param name="places">Hidden states of a row without virtual tokens.</param>
    /// <param name="positions">(batch, length).</param>
    /// <param name="ranges">(batch, length, 2), or null.</param>
    /// <param name="batch">Rows.</param>
    private ModelInputs(Tensor owner, Tensor? ids, int places, int[] positions, int[]? ranges, int batch)
    {
        (_owner, _ids, Places, _positions, _ranges, Batch) = (owner, ids, places, positions, ranges, batch);
        Length = positions.Length / Batch;
        Longest = positions.Max() + 1;
        // Inputs with virtual tokens are created inside a pass, but a block that backward recomputes reads them again: they share the
        // scope of the batch.
        PlaceTensor = Backend.From(positions, [Batch, Length]).SameScope(owner);
        _hasNegativePositions = Array.Exists(positions, position => position < 0);
        Ranges = ranges is null ? null : Backend.From(ranges, [Batch, Length, 2]).SameScope(owner);
    }

    /// <summary>Other positions and ranges of the same batch, with what does not depend on them.</summary>
    private ModelInputs(ModelInputs other, int[] positions, int[]? ranges)
        : this(other._owner, other._ids, other.Places, positions, ranges, other.Batch)
    {
        (Cache, KeyOffset, RowOffsets, IsCausal) = (other.Cache, other.KeyOffset, other.RowOffsets, other.IsCausal);
        (_crossRanges, CrossHoles, CrossCache, CrossRows) = (other._crossRanges, other.CrossHoles, other.CrossCache, other.CrossRows);
        (Mask, Holes, Types, Dense) = (other.Mask, other.Holes, other.Types, other.Dense);
        (Boxes, EndTokens, Pictures) = (other.Boxes, other.EndTokens, other.Pictures);
    }

    /// <summary>Copies inputs, which share their tensors.</summary>
    private ModelInputs(ModelInputs other)
    {
        (_owner, _ids, Places, Dense) = (other._owner, other._ids, other.Places, other.Dense);
        (_positions, _ranges, _windowed) = (other._positions, other._ranges, other._windowed);
        (Batch, Length, Longest, PlaceTensor, Ranges) = (other.Batch, other.Length, other.Longest, other.PlaceTensor, other.Ranges);
        _hasNegativePositions = other._hasNegativePositions;
        (IsCausal, Types, Mask, Tasks, KeyOffset) = (other.IsCausal, other.Types, other.Mask, other.Tasks, other.KeyOffset);
        RowOffsets = other.RowOffsets;
        (Cache, Prefix, Holes, CrossHoles) = (other.Cache, other.Prefix, other.Holes, other.CrossHoles);
        (Decoder, _crossRanges, CrossCache, CrossRows) = (other.Decoder, other._crossRanges, other.CrossCache, other.CrossRows);
        (IdsOnHost, IsUploadable, _computed) = (other.IdsOnHost, other.IsUploadable, other._computed);
        (FrameCounts, _frames) = (other.FrameCounts, other._frames);
        (Boxes, EndTokens, Pictures) = (other.Boxes, other.EndTokens, other.Pictures);
    }

    /// <summary>I32 (batch, tokens): token ids.</summary>
    /// <exception cref="BadInputException">The inputs have no tokens.</exception>
    public Tensor Ids => _ids ?? throw new BadInputException("the inputs have no token ids (input_ids), which this model reads");

    /// <summary>What the model reads beside or instead of tokens: pixels, sound.</summary>
    internal DenseInputs Dense { get; private init; } = DenseInputs.None;

    /// <summary>Hidden states of a row without virtual tokens: its tokens, patches or frames.</summary>
    internal int Places { get; }

    private Backend Backend => _owner.Backend;

    /// <summary>I32 (batch, length): positions, those of virtual tokens first.</summary>
    /// <exception cref="InvalidOperationException">A position is negative, which only models that add an offset to positions read: OPT, whose
    /// padding has the position −1.</exception>
    public Tensor Positions => !_hasNegativePositions ? PlaceTensor
        : throw new InvalidOperationException("a position is negative, but this model's tables begin with position 0");

    /// <summary><see cref="Positions"/>, which may be negative.</summary>
    internal Tensor PlaceTensor { get; }

    /// <summary>I32 (batch, length, 2): the keys [first, end) that each token attends to; null for plain causal attention.</summary>
    internal Tensor? Ranges { get; }

    /// <summary>Whether a token attends only to itself and tokens before it, as in decoders.</summary>
    internal bool IsCausal { get; private init; } = true;

    /// <summary>One past the largest position.</summary>
    internal int Longest { get; }

    /// <summary>One past the largest position that these inputs, or later ones with the same cache, can have.</summary>
    internal int LongestToCome => Math.Max(Longest, Cache?.Capacity ?? 0);

    /// <summary>Keys and values of earlier tokens; null in training.</summary>
    internal KvCache? Cache { get; private init; }

    /// <summary>Learned keys and values before those of the tokens; null without any.</summary>
    internal IPrefix? Prefix { get; private init; }

    internal int Batch { get; }

    /// <summary>The task of each row, for virtual tokens that differ by task; null without tasks.</summary>
    internal IReadOnlyList<int>? Tasks { get; init; }

    /// <summary>Hidden states of a row: tokens, and virtual tokens before them.</summary>
    internal int Length { get; }

    /// <summary>Virtual tokens before each row, those of the longest row.</summary>
    internal int VirtualPlaces => Length - Places;

    /// <summary>Number of keys before those of these inputs.</summary>
    private int KeyOffset { get; init; }

    /// <summary>(batch): keys before those of these inputs in each row, where the rows differ; null if all have
    /// <see cref="KeyOffset"/>.</summary>
    private int[]? RowOffsets { get; init; }

    /// <summary>The key of the first token.</summary>
    internal int FirstKey => KeyOffset;

    /// <summary>Keys that self-attention reads: those of a prefix or a cache, then those of these inputs.</summary>
    internal int KeyCount => Cache?.Capacity ?? KeyOffset + Length;

    /// <summary>(batch, tokens): 1 for a token, 0 for padding; null without padding.</summary>
    private int[]? Mask { get; set; }

    /// <summary>(batch, tokens): 0 for tokens of the first text, 1 for those of the second; null for zeros.</summary>
    private int[]? Types { get; init; }

    /// <summary>(batch, tokens): 1 for a token, 0 for padding, if some row has padding between its tokens, which no range can leave out;
    /// null otherwise.</summary>
    private int[]? Holes { get; init; }

    /// <summary>The inputs of an encoder-decoder's decoder, beside those of its encoder; null for other models.</summary>
    internal ModelInputs? Decoder { get; private init; }

    /// <summary>F32 (batch, 1, length, hidden states of a row): −∞ for the encoder's hidden states of padding between tokens, 0 for
    /// others; null without such padding.</summary>
    internal Tensor? CrossHoles { get; private init; }

    /// <summary>Keys and values of the encoder's hidden states; null to compute them.</summary>
    internal KvCache? CrossCache { get; private init; }

    /// <summary>(B, 2): the hidden states [first, end) of each row; null without an encoder.</summary>
    private int[]? CrossRows { get; init; }

    /// <summary>The inputs of the hidden states that belong to pictures, beside these of tokens: those of a tower of their own, or those of
    /// patches and tokens together; null without pictures.</summary>
    internal ModelInputs? Pictures { get; private set; }

    /// <summary>(batch, tokens, 4): left, top, right and bottom of each token's box; null without boxes.</summary>
    internal int[]? Boxes { get; private init; }

    /// <summary>(batch): the token that ends each text, whose hidden state stands for it; null for the last that is no padding.</summary>
    internal int[]? EndTokens { get; private init; }

    /// <summary>(B): frames of each row that are no padding; empty for models that do not read frames.</summary>
    internal int[] FrameCounts { get; private init; } = [];

    /// <summary>Causal self-attention of one block over these inputs, and over what comes before them: the keys and values of a prefix
    /// (prefix tuning) and of earlier tokens (generation). See <see cref="AttentionOp"/> for the equation.</summary>
    /// <param name="block">Number of the block.</param>
    /// <param name="q">(batch, length, heads·head dim), with positions applied.</param>
    /// <param name="k">(batch, length, key heads·head dim), with positions applied; heads is a multiple of key heads.</param>
    /// <param name="v">As <paramref name="k"/>.</param>
    /// <param name="headDim">Columns of one head.</param>
    /// <param name="scale">Factor of q·k, usually 1/√head dim.</param>
    /// <param name="window">Maximum number of keys that a token attends to, its own included; 0 for no limit.</param>
    /// <returns>(batch, length, heads·head dim)</returns>
    public Tensor Attend(int block, Tensor q, Tensor k, Tensor v, int headDim, float scale, int window = 0)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(k);
        ArgumentNullException.ThrowIfNull(v);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 1);
        return Attend(block, HeadsOf(q), HeadsOf(k), HeadsOf(v), new SelfAttentionOptions(scale, window));

        Heads HeadsOf(Tensor tensor) => new(tensor, tensor.Shape.Columns / headDim, headDim);
    }

    /// <summary>As the other overload, with heads that may lie inside a fused projection, which are read where they are unless other
    /// keys come before them.</summary>
    /// <param name="block">Number of the block.</param>
    /// <param name="q">Queries, with positions applied.</param>
    /// <param name="k">Keys, with positions applied.</param>
    /// <param name="v">Values.</param>
    /// <param name="options">Scale, window and biases.</param>
    /// <returns>(batch, length, heads·head dim)</returns>
    internal Tensor Attend(int block, Heads q, Heads k, Heads v, SelfAttentionOptions options)
    {
        using var scope = new TensorScope();
        if (Prefix is not null || Cache is not null)
        {
            q = SideBySide(q, q.Gather()); // Keys and values are copied, so that the fused projection need not be saved for q alone.
        }
        if (Prefix is { } prefix)
        {
            if (v.Dim != k.Dim)
            {
                throw new BadInputException("prefix tuning has keys and values of one size, but this model's values are smaller than its " +
                    "keys; use prompt tuning or a method that changes layers");
            }
            var (keys, values) = prefix.Prepend(block, k.Gather(), v.Gather());
            (k, v) = (SideBySide(k, keys), SideBySide(v, values));
        }
        if (Cache is { } cache)
        {
            var (keys, values) = cache.Append(block, k.Gather(), v.Gather());
            (k, v) = (SideBySide(k, keys), SideBySide(v, values));
        }
        var bias = WithHoles(options.Bias, k.Tensor.Shape[1]);
        var masked = new AttentionOptions(options.Scale, Windowed(options.Window), options.SoftCap, options.Slopes, bias, options.Sinks,
            options.Dropout);
        AttentionProbe.Current?.Read(block, q, k, masked);
        return scope.Return(q.Attend(k, v, masked));

        static Heads SideBySide(Heads heads, Tensor tensor) => new(tensor, heads.Count, heads.Dim);
    }

    /// <summary>The ranges with at most <paramref name="window"/> keys each, the token's own included; 0 for no limit. In encoders half of
    /// the window is on each side of the token: keys at a distance of at most window/2.</summary>
    internal Tensor? Windowed(int window)
    {
        if (window == 0 || Longest <= (IsCausal ? window : window / 2 + 1))
        {
            return Ranges;
        }
        if (!_windowed.TryGetValue(window, out var ranges))
        {
            int[] values = AttentionRanges.Within(window, _ranges, Batch, Length, OffsetOf, IsCausal);
            ranges = new Uploaded(Backend.From(values, [Batch, Length, 2]).SameScope(_owner), values);
            _windowed.Add(window, ranges);
        }
        return ranges.Tensor;
    }

    /// <summary>Keys of a row before those of these inputs.</summary>
    private int OffsetOf(int row) => RowOffsets?[row] ?? KeyOffset;

    /// <summary>F32 (batch·length): 1 for a token, 0 for padding, which does not attend to itself; null without padding.</summary>
    internal Tensor? TokenMask()
    {
        if (_ranges is null || _hasTokenMask)
        {
            return _tokenMask?.Tensor;
        }
        float[] mask = new float[Batch * Length];
        for (int i = 0; i < mask.Length; i++)
        {
            int key = OffsetOf(i / Length) + i % Length;
            mask[i] = _ranges[2 * i] <= key && key < _ranges[2 * i + 1] && !IsHole(i / Length, i % Length - VirtualPlaces) ? 1 : 0;
        }
        _hasTokenMask = true;
        _tokenMask = mask.Contains(0) ? new Uploaded(Backend.From(mask, [mask.Length]).SameScope(_owner), mask) : null;
        return _tokenMask?.Tensor;
    }

    /// <summary>A bias of attention with −∞ for keys that are padding between tokens.</summary>
    /// <param name="bias">F32 (batch or 1, heads or 1, length, keys), the first extent optional; or null.</param>
    /// <param name="keys">Keys: those of these tokens are the last, and those of virtual tokens and prefixes come before them.</param>
    private Tensor? WithHoles(Tensor? bias, int keys)
    {
        if (Holes is null)
        {
            return bias;
        }
        if (Cache is not null)
        {
            throw new BadInputException("a text with padding between its tokens cannot be continued with a cache; leave the padding out");
        }
        int heads = bias is null ? 1 : bias.Shape[^3];
        _holeBias ??= HoleBias(heads, Length, keys).SameScope(_owner);
        if (bias is null)
        {
            return _holeBias;
        }
        using var scope = new TensorScope();
        int rows = bias.Shape.Rank == 4 ? bias.Shape[0] : 1;
        var each = bias.Reshape([rows, heads, Length, keys]);
        var all = rows == Batch ? each : Tensor.Concat([.. Enumerable.Repeat(each, Batch)]);
        return scope.Return(all + _holeBias);
    }

    /// <summary>F32 (batch, heads, queries, keys): −∞ for keys that are padding, 0 for others.</summary>
    private Tensor HoleBias(int heads, int queries, int keys)
    {
        float[] bias = new float[Batch * heads * queries * keys];
        for (int i = 0; i < bias.Length; i++)
        {
            bias[i] = IsHole(i / (keys * queries * heads), i % keys - (keys - Places)) ? float.NegativeInfinity : 0;
        }
        return Backend.From(bias, [Batch, heads, queries, keys]);
    }

    private bool IsHole(int row, int token) => Holes is not null && token >= 0 && Holes[row * Places + token] == 0;
}

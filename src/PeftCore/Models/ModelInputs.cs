using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The inputs of a model: token ids, pixels, sound or boxes, and the positions and attention ranges of its hidden
/// states.</summary>
public sealed partial class ModelInputs
{
    private readonly Tensor? _ids;
    private readonly int[] _positions;
    private readonly int[]? _ranges;

    // The scope of these inputs' tensors, which outlive a pass.
    private readonly Tensor _owner;

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
        Positions = Backend.From(positions, [Batch, Length]).SameScope(owner);
        Ranges = ranges is null ? null : Backend.From(ranges, [Batch, Length, 2]).SameScope(owner);
    }

    /// <summary>Other positions and ranges of the same batch, with what does not depend on them.</summary>
    private ModelInputs(ModelInputs other, int[] positions, int[]? ranges)
        : this(other._owner, other._ids, other.Places, positions, ranges, other.Batch)
    {
        (Cache, KeyOffset, IsCausal) = (other.Cache, other.KeyOffset, other.IsCausal);
        (_crossRanges, CrossHoles, CrossCache, CrossRows) = (other._crossRanges, other.CrossHoles, other.CrossCache, other.CrossRows);
        (Mask, Holes, Types, Dense) = (other.Mask, other.Holes, other.Types, other.Dense);
        (Boxes, EndTokens, Pictures) = (other.Boxes, other.EndTokens, other.Pictures);
    }

    /// <summary>Copies inputs, which share their tensors.</summary>
    private ModelInputs(ModelInputs other)
    {
        (_owner, _ids, Places, Dense) = (other._owner, other._ids, other.Places, other.Dense);
        (_positions, _ranges, _windowed) = (other._positions, other._ranges, other._windowed);
        (Batch, Length, Longest, Positions, Ranges) = (other.Batch, other.Length, other.Longest, other.Positions, other.Ranges);
        (IsCausal, Types, Mask, Tasks, KeyOffset) = (other.IsCausal, other.Types, other.Mask, other.Tasks, other.KeyOffset);
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
    public Tensor Positions { get; }

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

    /// <summary>Number of keys before those of these inputs.</summary>
    private int KeyOffset { get; init; }

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
        return scope.Return(q.Attend(k, v,
            new AttentionOptions(options.Scale, Windowed(options.Window), options.SoftCap, options.Slopes, bias, options.Sinks,
                options.Dropout)));

        static Heads SideBySide(Heads heads, Tensor tensor) => new(tensor, heads.Count, heads.Dim);
    }

    /// <summary>Inputs of a rectangular batch.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="ids">batch·length token ids, row by row.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="mask">1 for a token, 0 for padding; null without padding.</param>
    /// <param name="positions">Positions; null for 0, 1, 2 … in each row.</param>
    /// <param name="ranges">The keys [first, end) of each token, two numbers a token; null to derive them from the mask.</param>
    /// <param name="tasks">The task of each row, for adapters with several tasks; null without tasks.</param>
    public static ModelInputs From(Backend backend, ReadOnlySpan<int> ids, int batch, ReadOnlySpan<int> mask = default,
        ReadOnlySpan<int> positions = default, ReadOnlySpan<int> ranges = default, IReadOnlyList<int>? tasks = null)
    {
        if (batch <= 0 || ids.Length == 0 || ids.Length % batch != 0)
        {
            throw new ShapeException("inputs", $"{ids.Length} tokens do not fill {batch} rows of one length");
        }
        int length = ids.Length / batch;
        int[] where = positions.IsEmpty ? Counting(batch, length) : positions.ToArray();
        int[]? keys = !ranges.IsEmpty ? ranges.ToArray() : mask.IsEmpty || mask.IndexOf(0) < 0 ? null
            : RangesOf(mask, batch, length, causal: true);
        return new ModelInputs(backend.From(ids, [batch, length]), where, keys)
        {
            Tasks = tasks,
            Holes = ranges.IsEmpty ? HolesOf(mask, batch, length) : null,
        };
    }

    /// <summary>Inputs of a decoder.</summary>
    internal static ModelInputs Causal(Backend backend, InputArrays arrays)
    {
        var inputs = From(backend, arrays.Ids, arrays.BatchSize, arrays.Mask, arrays.Positions, arrays.Ranges, arrays.Tasks);
        (inputs.Mask, inputs.IdsOnHost, inputs.IsUploadable) = (arrays.Mask ?? arrays.Tokens, arrays.Ids, true);
        return inputs;
    }

    /// <summary>Inputs that continue the sequences of a cache.</summary>
    internal static ModelInputs After(KvCache cache, Backend backend, ReadOnlySpan<int> ids, int batch = 1,
        IReadOnlyList<int>? tasks = null)
    {
        int start = cache.Length, length = ids.Length / batch;
        int[] positions = new int[ids.Length];
        int[] ranges = new int[2 * ids.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            positions[i] = start + i % length;
            ranges[2 * i + 1] = start + i % length + 1;
        }
        return new ModelInputs(backend.From(ids, [batch, length]), positions, ranges) { Cache = cache, KeyOffset = start, Tasks = tasks };
    }

    private static int[] Counting(int batch, int length)
    {
        int[] positions = new int[batch * length];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = i % length;
        }
        return positions;
    }

    /// <summary>The keys from the first token of a row to its last, or to the token itself. Padding between them is left out by
    /// <see cref="HoleBias"/>.</summary>
    private static int[] RangesOf(ReadOnlySpan<int> mask, int batch, int length, bool causal)
    {
        int[] ranges = new int[2 * batch * length];
        for (int b = 0; b < batch; b++)
        {
            var row = mask.IsEmpty ? mask : mask.Slice(b * length, length);
            int first = Math.Max(0, row.IndexOf(1));
            int end = mask.IsEmpty ? length : row.LastIndexOf(1) + 1;
            for (int t = 0; t < length; t++)
            {
                ranges[2 * (b * length + t)] = first;
                ranges[2 * (b * length + t) + 1] = causal ? Math.Max(first, Math.Min(t + 1, end)) : end;
            }
        }
        return ranges;
    }
}

/// <summary>Settings of a block's attention.</summary>
/// <param name="Scale">Factor of q·k, usually 1/√head dim.</param>
/// <param name="Window">Maximum number of keys that a token attends to, its own included; 0 for no limit.</param>
/// <param name="SoftCap">Scores s become cap·tanh(s/cap); 0 for none.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes, or null.</param>
/// <param name="Bias">See <see cref="AttentionOptions"/>.</param>
/// <param name="Sinks">See <see cref="AttentionOptions"/>.</param>
/// <param name="Dropout">The key of a dropout mask on the probabilities.</param>
internal sealed record SelfAttentionOptions(float Scale, int Window = 0, float SoftCap = 0, Tensor? Slopes = null, Tensor? Bias = null,
    Tensor? Sinks = null, DropoutKey Dropout = default);

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What a decoder reads: tokens, where they stand, and what they may see.</summary>
public sealed class ModelInputs
{
    private readonly int[] _positions;
    private readonly int[]? _ranges;
    private Tensor? _windowed;

    private ModelInputs(Tensor ids, int[] positions, int[]? ranges)
    {
        (Ids, _positions, _ranges) = (ids, positions, ranges);
        Batch = ids.Shape[0];
        Length = positions.Length / Batch;
        Longest = positions.Max() + 1;
        // Inputs behind virtual tokens are made in the middle of a pass, and a block that is run again in backward reads them once more.
        Positions = ids.Backend.From(positions, [Batch, Length]).LiveWith(ids);
        Ranges = ranges is null ? null : ids.Backend.From(ranges, [Batch, Length, 2]).LiveWith(ids);
    }

    /// <summary>I32 (batch, tokens): token ids.</summary>
    public Tensor Ids { get; }

    /// <summary>I32 (batch, length): positions, those of virtual tokens first.</summary>
    public Tensor Positions { get; }

    /// <summary>I32 (batch, length, 2): the keys [first, end) each token sees; null for plain causal attention.</summary>
    public Tensor? Ranges { get; }

    /// <summary>One past the largest position.</summary>
    public int Longest { get; }

    /// <summary>Keys and values of earlier tokens; null in training.</summary>
    internal KvCache? Cache { get; private init; }

    /// <summary>Keys and values that stand before those of the tokens; null without any.</summary>
    internal IPrefix? Prefix { get; private init; }

    internal int Batch { get; }

    /// <summary>Rows of hidden states in a batch row: tokens, and virtual tokens before them.</summary>
    internal int Length { get; }

    /// <summary>Keys that stand before those of these inputs.</summary>
    private int KeyOffset { get; init; }

    /// <summary>The ranges with at most <paramref name="window"/> keys each, the token's own included; 0 for no limit.</summary>
    internal Tensor? Windowed(int window)
    {
        if (window == 0 || Longest <= window)
        {
            return Ranges;
        }
        if (_windowed is null)
        {
            _windowed = Narrow(window);
        }
        return _windowed;
    }

    /// <summary>Inputs of a rectangular batch.</summary>
    /// <param name="backend">Where to put them.</param>
    /// <param name="ids">batch·length token ids, row by row.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="mask">1 where a token counts, 0 where it is padding; null if all count. Only one run of ones a row.</param>
    /// <param name="positions">Positions; null for 0, 1, 2 … in each row.</param>
    /// <param name="ranges">Keys each token sees, two numbers a token; null to derive them from the mask.</param>
    public static ModelInputs From(IBackend backend, ReadOnlySpan<int> ids, int batch, ReadOnlySpan<int> mask = default,
        ReadOnlySpan<int> positions = default, ReadOnlySpan<int> ranges = default)
    {
        if (batch <= 0 || ids.Length == 0 || ids.Length % batch != 0)
        {
            throw new ShapeException("inputs", $"{ids.Length} tokens do not fill {batch} rows of one length");
        }
        int length = ids.Length / batch;
        int[] where = positions.IsEmpty ? Counting(batch, length) : positions.ToArray();
        int[]? keys = !ranges.IsEmpty ? ranges.ToArray() : mask.IsEmpty || mask.IndexOf(0) < 0 ? null : RangesOf(mask, batch, length);
        return new ModelInputs(backend.From(ids, [batch, length]), where, keys);
    }

    /// <summary>These inputs, outside every scope until <see cref="Free"/>.</summary>
    internal ModelInputs Kept()
    {
        foreach (var tensor in Tensors)
        {
            tensor.Keep();
        }
        return this;
    }

    internal void Free()
    {
        foreach (var tensor in Tensors)
        {
            tensor.Dispose();
        }
    }

    /// <summary>Takes over the numbers of inputs of the same shape.</summary>
    internal void CopyFrom(ModelInputs other)
    {
        foreach (var (from, to) in other.Tensors.Zip(Tensors))
        {
            from.Backend.Copy(from, to);
        }
    }

    private IEnumerable<Tensor> Tensors => Ranges is null ? [Ids, Positions] : [Ids, Positions, Ranges];

    /// <summary>Inputs that go on after what a cache holds.</summary>
    internal static ModelInputs After(KvCache cache, IBackend backend, ReadOnlySpan<int> ids)
    {
        int start = cache.Length;
        var positions = new int[ids.Length];
        var ranges = new int[2 * ids.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            positions[i] = start + i;
            ranges[2 * i + 1] = start + i + 1;
        }
        return new ModelInputs(backend.From(ids, [1, ids.Length]), positions, ranges) { Cache = cache, KeyOffset = start };
    }

    /// <summary>These tokens behind virtual ones that the model reads as it reads tokens.</summary>
    /// <param name="counts">Virtual tokens of each row. A row with fewer than the longest has unused places first, which nothing sees.</param>
    internal ModelInputs BehindTokens(ReadOnlySpan<int> counts)
    {
        int places = Largest(counts), length = places + Length;
        var positions = new int[Batch * length];
        var ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int b = 0; b < Batch; b++)
        {
            int unused = places - counts[b];
            for (int t = 0; t < length; t++)
            {
                int at = b * length + t;
                positions[at] = t >= places ? counts[b] + _positions[b * Length + t - places] : Math.Max(0, t - unused);
                if (ranges is not null)
                {
                    (ranges[2 * at], ranges[2 * at + 1]) = t >= places ? Seen(b, t - places, counts[b], places) : (Math.Min(unused, t), t + 1);
                }
            }
        }
        return new ModelInputs(Ids, positions, ranges) { Cache = Cache, KeyOffset = KeyOffset };
    }

    /// <summary>These tokens behind keys and values that no token was read for.</summary>
    /// <param name="prefix">The keys and values.</param>
    /// <param name="counts">How many of them each row sees: the last ones.</param>
    internal ModelInputs BehindKeys(IPrefix prefix, ReadOnlySpan<int> counts)
    {
        int places = Largest(counts);
        var positions = new int[_positions.Length];
        var ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int at = 0; at < positions.Length; at++)
        {
            int b = at / Length;
            positions[at] = counts[b] + _positions[at];
            if (ranges is not null)
            {
                (ranges[2 * at], ranges[2 * at + 1]) = Seen(b, at % Length, counts[b], places);
            }
        }
        return new ModelInputs(Ids, positions, ranges) { Cache = Cache, Prefix = prefix, KeyOffset = KeyOffset + places };
    }

    private static int Largest(ReadOnlySpan<int> counts)
    {
        int largest = 0;
        foreach (int count in counts)
        {
            largest = Math.Max(largest, count);
        }
        return largest;
    }

    /// <summary>Whether plain causal attention stays right.</summary>
    private bool IsPlain(ReadOnlySpan<int> counts, int places) => _ranges is null && counts.IndexOfAnyExcept(places) < 0;

    /// <summary>The keys a token sees when <paramref name="places"/> come before the first, the last <paramref name="count"/> of them for its row.</summary>
    private (int First, int End) Seen(int row, int token, int count, int places)
    {
        int at = row * Length + token;
        var (first, end) = _ranges is null ? (0, token + 1) : (_ranges[2 * at], _ranges[2 * at + 1]);
        if (count == 0)
        {
            return (places + first, places + end);
        }
        return first == 0 ? (places - count, places + end) : throw new BadInputException(
            "virtual tokens stand before the first token of a row, and every token of the row sees them: with them, rows can neither be packed nor padded on the left");
    }

    private Tensor Narrow(int window)
    {
        var ranges = new int[2 * Batch * Length];
        for (int i = 0; i < ranges.Length; i += 2)
        {
            // A token's own key stands at its place behind earlier keys; what padding sees ends before that.
            int end = KeyOffset + i / 2 % Length + 1;
            var (first, last) = _ranges is null ? (0, end) : (_ranges[i], _ranges[i + 1]);
            (ranges[i], ranges[i + 1]) = (Math.Min(Math.Max(first, end - window), last), last);
        }
        return Ids.Backend.From(ranges, [Batch, Length, 2]).LiveWith(Ids);
    }

    private static int[] Counting(int batch, int length)
    {
        var positions = new int[batch * length];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = i % length;
        }
        return positions;
    }

    private static int[] RangesOf(ReadOnlySpan<int> mask, int batch, int length)
    {
        var ranges = new int[2 * batch * length];
        for (int b = 0; b < batch; b++)
        {
            var row = mask.Slice(b * length, length);
            int first = Math.Max(0, row.IndexOf(1));
            int end = row.LastIndexOf(1) + 1;
            if (row[first..end].IndexOf(0) >= 0)
            {
                throw new ShapeException("inputs", $"the attention mask of row {b} has a hole; padding must stand before or after the tokens");
            }
            for (int t = 0; t < length; t++)
            {
                ranges[2 * (b * length + t)] = first;
                ranges[2 * (b * length + t) + 1] = Math.Max(first, Math.Min(t + 1, end));
            }
        }
        return ranges;
    }
}

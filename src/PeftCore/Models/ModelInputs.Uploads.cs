using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What models compute of their inputs beside token ids, positions and ranges. Each tensor is computed on the host and uploaded once,
/// before the pass if the model asks for it there, because a pass that uploads cannot be captured.</summary>
public sealed partial class ModelInputs
{
    private readonly Dictionary<int, Uploaded> _windowed = []; // by window
    private readonly Dictionary<string, Uploaded> _computed = []; // by name
    private readonly Dictionary<(int Queries, int Keys), Uploaded> _wholeRanges = [];
    private Uploaded? _tableRows;
    private Uploaded? _growth;
    private Uploaded? _tokenMask;
    private bool _hasTokenMask;

    /// <summary>The token ids on the host; null without tokens.</summary>
    private int[]? IdsOnHost { get; set; }

    /// <summary>Whether these are the inputs of a batch as it came from the host.</summary>
    private bool IsUploadable { get; set; }

    /// <summary>Everything that is uploaded of these inputs so far, with its values on the host; null if it cannot be uploaded again for
    /// other inputs of the same shape: there is a cache or padding between tokens.</summary>
    internal IReadOnlyList<Uploaded>? Uploads()
    {
        if (!IsUploadable || Holes is not null || Cache is not null)
        {
            return null;
        }
        var all = new List<Uploaded>();
        if (_ids is not null)
        {
            all.Add(new(_ids, IdsOnHost!));
        }
        all.AddRange(Dense.Uploads);
        all.Add(new(Positions, _positions));
        if (Ranges is not null)
        {
            all.Add(new(Ranges, _ranges!));
        }
        all.AddRange(_windowed.OrderBy(window => window.Key).Select(window => window.Value));
        all.AddRange(_wholeRanges.OrderBy(ranges => ranges.Key).Select(ranges => ranges.Value));
        all.AddRange(new[] { _tableRows, _growth, _tokenMask, _types, _lastTokens, _meanWeights, _ends, _buckets, _crossRanges, _frames,
            _frameMask, _featureMask }
            .OfType<Uploaded>());
        all.AddRange(_computed.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value));
        foreach (var other in new[] { Decoder, Pictures }.OfType<ModelInputs>())
        {
            if (other.Uploads() is not { } uploads)
            {
                return null;
            }
            all.AddRange(uploads);
        }
        return all;
    }

    /// <summary>Numbers that a model computes of these inputs, such as the rows of a table, uploaded once.</summary>
    /// <param name="name">What they are, for these inputs.</param>
    /// <param name="shape">Their shape.</param>
    /// <param name="compute">Computes them.</param>
    internal Tensor Computed(string name, Shape shape, Func<int[]> compute)
    {
        if (!_computed.TryGetValue(name, out var uploaded))
        {
            int[] values = compute();
            uploaded = new Uploaded(Backend.From(values, shape).SameScope(_owner), values);
            _computed.Add(name, uploaded);
        }
        return uploaded.Tensor;
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
            int[] values = WindowRanges(window);
            ranges = new Uploaded(Backend.From(values, [Batch, Length, 2]).SameScope(_owner), values);
            _windowed.Add(window, ranges);
        }
        return ranges.Tensor;
    }

    /// <summary>I32 (batch, queries, 2): the ranges of queries that attend to all of a number of keys, as the positions of a picture
    /// do.</summary>
    internal Tensor WholeRanges(int queries, int keys)
    {
        if (!_wholeRanges.TryGetValue((queries, keys), out var ranges))
        {
            int[] values = new int[2 * Batch * queries];
            for (int i = 1; i < values.Length; i += 2)
            {
                values[i] = keys;
            }
            ranges = new Uploaded(Backend.From(values, [Batch, queries, 2]).SameScope(_owner), values);
            _wholeRanges.Add((queries, keys), ranges);
        }
        return ranges.Tensor;
    }

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
            int key = KeyOffset + i % Length;
            mask[i] = _ranges[2 * i] <= key && key < _ranges[2 * i + 1] && !IsHole(i / Length, i % Length - VirtualPlaces) ? 1 : 0;
        }
        _hasTokenMask = true;
        _tokenMask = mask.Contains(0) ? new Uploaded(Backend.From(mask, [mask.Length]).SameScope(_owner), mask) : null;
        return _tokenMask?.Tensor;
    }

    /// <summary>The positions of these tokens and of some that come right before the first, (batch, before + length).</summary>
    internal Tensor PositionsAfter(int before)
    {
        int[] all = new int[Batch * (before + Length)];
        for (int i = 0; i < all.Length; i++)
        {
            int row = i / (before + Length), column = i % (before + Length) - before;
            all[i] = column < 0 ? _positions[row * Length] + column : _positions[row * Length + column];
        }
        return Backend.From(all, [Batch, before + Length]);
    }

    /// <summary>The positions plus an offset, as rows of a table that has other rows first. A model has one such table.</summary>
    internal Tensor PositionsFrom(int offset)
    {
        if (offset == 0)
        {
            return Positions;
        }
        if (_tableRows is null)
        {
            int[] rows = Array.ConvertAll(_positions, p => p + offset);
            _tableRows = new Uploaded(Backend.From(rows, [Batch, Length]).SameScope(_owner), rows);
        }
        return _tableRows.Tensor;
    }

    /// <summary>F32 (batch·length): the factor of each query, which all blocks of a model share.</summary>
    internal Tensor QueryGrowth(QueryGrowth growth)
    {
        if (_growth is null)
        {
            float[] factors = Array.ConvertAll(_positions, p => 1 + growth.Beta * MathF.Log(1 + p / growth.Length));
            _growth = new Uploaded(Backend.From(factors, [factors.Length]).SameScope(_owner), factors);
        }
        return _growth.Tensor;
    }

    private int[] WindowRanges(int window)
    {
        int[] ranges = new int[2 * Batch * Length];
        for (int i = 0; i < ranges.Length; i += 2)
        {
            if (!IsCausal)
            {
                int at = KeyOffset + i / 2 % Length;
                (ranges[i], ranges[i + 1]) = (Math.Max(_ranges![i], at - window / 2), Math.Min(_ranges[i + 1], at + window / 2 + 1));
                continue;
            }
            // A token's own key follows the earlier keys; the range of a padding token ends before its own.
            int end = KeyOffset + i / 2 % Length + 1;
            var (first, last) = _ranges is null ? (0, end) : (_ranges[i], _ranges[i + 1]);
            (ranges[i], ranges[i + 1]) = (Math.Min(Math.Max(first, end - window), last), last);
        }
        return ranges;
    }
}

/// <summary>A tensor and the values it was made from, I32 or F32.</summary>
/// <param name="Tensor">On the device.</param>
/// <param name="Values">On the host: int[] or float[].</param>
internal sealed record Uploaded(Tensor Tensor, Array Values);

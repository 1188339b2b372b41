using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What models compute of their inputs beside token ids, positions and ranges. Each tensor is computed on the host and uploaded
/// once, before the pass if the model asks for it there, because a pass that uploads cannot be captured.</summary>
public sealed partial class ModelInputs
{
    private readonly Dictionary<int, Uploaded> _windowed = []; // by window
    private readonly Dictionary<string, Uploaded> _computed = []; // by name
    private readonly Dictionary<(int Queries, int Keys), Uploaded> _wholeRanges = [];
    private Uploaded? _tableRows;
    private Uploaded? _growth;
    private Uploaded? _tokenMask;
    private bool _hasTokenMask;
    private Uploaded? _buckets;
    private Uploaded? _crossRanges;
    private Uploaded? _types;
    private Uploaded? _lastTokens;
    private Uploaded? _meanWeights;
    private Uploaded? _ends;
    private Uploaded? _shares;
    private Uploaded? _frames;
    private Uploaded? _frameMask;
    private Uploaded? _featureMask;

    /// <summary>I32 (batch, length, 2): the encoder's hidden states [first, end) that each token of a decoder attends to.</summary>
    internal Tensor? CrossRanges => _crossRanges?.Tensor;

    /// <summary>I32 (B): <see cref="FrameCounts"/>.</summary>
    internal Tensor Frames => _frames!.Tensor;

    /// <summary>F32 (B·length): 1 for a frame that SpecAugment masks; null without masks.</summary>
    internal Tensor? MaskedFrames => _frameMask?.Tensor;

    /// <summary>F32 (B, length, features): 0 for a feature that SpecAugment masks; null without masks.</summary>
    internal Tensor? KeptFeatures => _featureMask?.Tensor;

    /// <summary>I32 (batch): the row of each row's last end-of-text token among those of (batch·tokens, C) hidden states.</summary>
    internal Tensor EndRows => _ends?.Tensor ?? throw new InvalidOperationException("The end-of-text tokens were not uploaded.");

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
        all.Add(new(PlaceTensor, _positions));
        if (Ranges is not null)
        {
            all.Add(new(Ranges, _ranges!));
        }
        // A step asks for the uploads; sorting nothing would leave garbage.
        if (_windowed.Count > 0)
        {
            all.AddRange(_windowed.OrderBy(window => window.Key).Select(window => window.Value));
        }
        if (_wholeRanges.Count > 0)
        {
            all.AddRange(_wholeRanges.OrderBy(ranges => ranges.Key).Select(ranges => ranges.Value));
        }
        all.AddRange(new[] { _tableRows, _growth, _tokenMask, _types, _lastTokens, _meanWeights, _ends, _shares, _buckets, _crossRanges,
            _frames, _frameMask, _featureMask }
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

    /// <summary>I32 (length, keys): the buckets of the relative positions of all pairs.</summary>
    internal Tensor RelativeBuckets(RelativeBuckets buckets)
    {
        if (_buckets is null)
        {
            int[] values = buckets.Of(Length, KeyCount, FirstKey);
            _buckets = new Uploaded(Backend.From(values, [Length, KeyCount]).SameScope(_owner), values);
        }
        return _buckets.Tensor;
    }

    /// <summary>Uploads the token types before a pass, if there are any.</summary>
    internal void UploadTokenTypes()
    {
        if (Types is not null)
        {
            TokenTypes();
        }
    }

    /// <summary>I32 (batch, length): token types, 0 for virtual tokens. Zeros are allocated anew by each call: inside the pass, so that a
    /// captured graph, which holds no memory between its launches, contains them.</summary>
    internal Tensor TokenTypes()
    {
        if (Types is null)
        {
            var zeros = Backend.NewTensor([Batch, Length], DType.I32);
            zeros.Backend.Zero(zeros);
            return zeros;
        }
        if (_types is null)
        {
            int tokens = Places, places = VirtualPlaces;
            int[] all = new int[Batch * Length];
            for (int b = 0; b < Batch; b++)
            {
                Types.AsSpan(b * tokens, tokens).CopyTo(all.AsSpan(b * Length + places));
            }
            _types = new Uploaded(Backend.From(all, [Batch, Length]).SameScope(_owner), all);
        }
        return _types.Tensor;
    }

    /// <summary>I32 (batch): the row of each row's last token among those of (batch·length, C) hidden states.</summary>
    /// <param name="length">Hidden states of a row, those of virtual tokens first; 0 if there are no virtual tokens.</param>
    internal Tensor LastTokenRows(int length = 0)
    {
        int tokens = Places, places = Math.Max(length, tokens) - tokens;
        if (places == 0 && _lastTokens is not null)
        {
            return _lastTokens.Tensor;
        }
        int[] rows = new int[Batch];
        for (int b = 0; b < Batch; b++)
        {
            rows[b] = b * (places + tokens) + places + LastToken(b);
        }
        var uploaded = new Uploaded(Backend.From(rows, [Batch]).SameScope(_owner), rows);
        _lastTokens = places == 0 ? uploaded : _lastTokens;
        return uploaded.Tensor;
    }

    /// <summary>F32 (1, batch·length): 1/n for the n tokens and virtual tokens of all rows, 0 for padding.</summary>
    /// <param name="length">As for <see cref="LastTokenRows"/>.</param>
    internal Tensor TokenShares(int length = 0)
    {
        int tokens = Places, places = Math.Max(length, tokens) - tokens, all = places + tokens;
        if (places == 0 && _shares is not null)
        {
            return _shares.Tensor;
        }
        bool IsToken(int i) => i % all < places || Mask is null || Mask[i / all * tokens + i % all - places] != 0;
        int count = Enumerable.Range(0, Batch * all).Count(IsToken);
        float[] shares = [.. Enumerable.Range(0, Batch * all).Select(i => IsToken(i) ? 1f / count : 0)];
        var uploaded = new Uploaded(Backend.From(shares, [1, shares.Length]).SameScope(_owner), shares);
        _shares = places == 0 ? uploaded : _shares;
        return uploaded.Tensor;
    }

    /// <summary>The last token of a row that is not padding, or the one that ends its text; the first if all are padding.</summary>
    private int LastToken(int row)
    {
        if (EndTokens is not null)
        {
            return EndTokens[row];
        }
        int tokens = Places;
        return Mask is null ? tokens - 1 : Math.Max(0, Mask.AsSpan(row * tokens, tokens).LastIndexOf(1));
    }

    /// <summary>Uploads <see cref="EndRows"/>.</summary>
    /// <param name="end">The end-of-text token.</param>
    /// <exception cref="BadInputException">A row has none, or another number of them than the first row, as transformers
    /// requires.</exception>
    internal void UploadEnds(int end)
    {
        int tokens = Ids.Shape[1];
        int[] ids = IdsOnHost!, rows = new int[Batch];
        int expected = ids.AsSpan(0, tokens).Count(end);
        for (int b = 0; b < Batch; b++)
        {
            var row = ids.AsSpan(b * tokens, tokens);
            if (row.Count(end) is var count && (count == 0 || count != expected))
            {
                throw new BadInputException(count == 0
                    ? $"a text is classified by its end-of-text token {end}, but a row of the batch has none; add it to every text"
                    : $"all texts of a batch must have the same number of end-of-text tokens {end} to be classified, but the first row has " +
                        $"{expected} and row {b + 1} has {count}; do not mix single texts and pairs");
            }
            rows[b] = b * tokens + row.LastIndexOf(end);
        }
        _ends = new Uploaded(Ids.Backend.From(rows, [Batch]).SameScope(Ids), rows);
    }

    /// <summary>F32 (batch, 1, length): 1/n for the n tokens of a row, 0 for padding and virtual tokens.</summary>
    /// <param name="length">As for <see cref="LastTokenRows"/>.</param>
    internal Tensor MeanWeights(int length = 0)
    {
        int tokens = Places, places = Math.Max(length, tokens) - tokens, all = places + tokens;
        if (places == 0 && _meanWeights is not null)
        {
            return _meanWeights.Tensor;
        }
        float[] weights = new float[Batch * all];
        for (int b = 0; b < Batch; b++)
        {
            int count = Mask is null ? tokens : Mask.AsSpan(b * tokens, tokens).Count(1);
            for (int t = 0; t < tokens; t++)
            {
                weights[b * all + places + t] = Mask is null || Mask[b * tokens + t] != 0 ? 1f / Math.Max(1, count) : 0;
            }
        }
        var uploaded = new Uploaded(Backend.From(weights, [Batch, 1, all]).SameScope(_owner), weights);
        _meanWeights = places == 0 ? uploaded : _meanWeights;
        return uploaded.Tensor;
    }

    /// <summary>Uploads the masks of SpecAugment.</summary>
    /// <param name="frames">(B, length), or null.</param>
    /// <param name="features">(B, features), or null.</param>
    internal void UploadMasks(bool[]? frames, bool[]? features)
    {
        if (frames is not null)
        {
            float[] values = Array.ConvertAll(frames, masked => masked ? 1f : 0);
            _frameMask = new Uploaded(Backend.From(values, [values.Length]).SameScope(_owner), values);
        }
        if (features is not null)
        {
            int columns = features.Length / Batch;
            float[] values = new float[Batch * Length * columns];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = features[i / columns / Length * columns + i % columns] ? 0 : 1;
            }
            _featureMask = new Uploaded(Backend.From(values, [Batch, Length, columns]).SameScope(_owner), values);
        }
    }
}

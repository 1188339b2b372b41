using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private Uploaded? _buckets;
    private Uploaded? _crossRanges;

    /// <summary>The inputs of an encoder-decoder's decoder, beside those of its encoder; null for other models.</summary>
    internal ModelInputs? Decoder { get; private init; }

    /// <summary>I32 (batch, length, 2): the encoder's hidden states [first, end) that each token of a decoder attends to.</summary>
    internal Tensor? CrossRanges => _crossRanges?.Tensor;

    /// <summary>F32 (batch, 1, length, hidden states of a row): −∞ for the encoder's hidden states of padding between tokens, 0 for
    /// others; null without such padding.</summary>
    internal Tensor? CrossHoles { get; private init; }

    /// <summary>Keys and values of the encoder's hidden states; null to compute them.</summary>
    internal KvCache? CrossCache { get; private init; }

    /// <summary>(B, 2): the hidden states [first, end) of each row; null without an encoder.</summary>
    private int[]? CrossRows { get; init; }

    /// <summary>The key of the first token.</summary>
    internal int FirstKey => KeyOffset;

    /// <summary>Keys that self-attention reads: those of a prefix or a cache, then those of these inputs.</summary>
    internal int KeyCount => Cache?.Capacity ?? KeyOffset + Length;

    /// <summary>These inputs of an encoder with those of a decoder.</summary>
    /// <param name="ids">(B, T'): the tokens that the decoder reads.</param>
    internal ModelInputs WithDecoder(int[] ids) => new(this)
    {
        Decoder = Causal(Backend, new InputArrays { Ids = ids, BatchSize = Batch }).Crossing(this),
    };

    /// <summary>These inputs of a decoder with the hidden states of an encoder.</summary>
    internal ModelInputs Crossing(ModelInputs encoder)
    {
        var inputs = Crossing(encoder.RowKeys(), null);
        return encoder.Holes is null || inputs.CrossHoles?.Shape[^1] == encoder.Length ? inputs
            : new ModelInputs(inputs) { CrossHoles = encoder.HoleBias(1, Length, encoder.Length).SameScope(Ids) };
    }

    /// <summary>These inputs of a decoder with keys [first, end) of each row of the encoder.</summary>
    /// <param name="rows">(B, 2).</param>
    /// <param name="keys">The cached keys and values; null to compute them.</param>
    internal ModelInputs Crossing(ReadOnlySpan<int> rows, KvCache? keys)
    {
        if (keys is null && CrossRows is not null && rows.SequenceEqual(CrossRows))
        {
            return this; // A pass that is captured as a graph cannot upload the ranges again.
        }
        int[] ranges = new int[2 * Batch * Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = rows[2 * (i / 2 / Length) + i % 2];
        }
        return new ModelInputs(this)
        {
            _crossRanges = new Uploaded(Backend.From(ranges, [Batch, Length, 2]).SameScope(_owner), ranges),
            CrossCache = keys,
            CrossRows = rows.ToArray(),
        };
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

    /// <summary>(B, 2): the keys [first, end) of each row of an encoder.</summary>
    internal int[] RowKeys()
    {
        int[] rows = new int[2 * Batch];
        for (int b = 0; b < Batch; b++)
        {
            // Every token of a row attends to all of them.
            (rows[2 * b], rows[2 * b + 1]) = _ranges is null ? (0, KeyOffset + Length)
                : (_ranges[2 * b * Length], _ranges[2 * b * Length + 1]);
        }
        return rows;
    }
}

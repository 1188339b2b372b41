using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Inputs of each kind of model, and inputs that are made from others: with virtual tokens, a prefix, an encoder or
/// pictures.</summary>
public sealed partial class ModelInputs
{
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
        ArgumentNullException.ThrowIfNull(backend);
        if (batch <= 0 || ids.Length == 0 || ids.Length % batch != 0)
        {
            throw new ShapeException("inputs", $"{ids.Length} tokens do not fill {batch} rows of one length");
        }
        int length = ids.Length / batch;
        if (mask.Length != 0 && mask.Length != ids.Length || positions.Length != 0 && positions.Length != ids.Length
            || ranges.Length != 0 && ranges.Length != 2 * ids.Length)
        {
            throw new ShapeException("inputs", $"{ids.Length} tokens need as many numbers of a mask and positions and twice as many of "
                + $"ranges, or none; got {mask.Length}, {positions.Length} and {ranges.Length}");
        }
        AttentionRanges.Check(positions, ranges, length);
        int[] where = positions.IsEmpty ? AttentionRanges.Positions(batch, length) : positions.ToArray();
        int[]? keys = !ranges.IsEmpty ? ranges.ToArray() : mask.IsEmpty || mask.IndexOf(0) < 0 ? null
            : AttentionRanges.Of(mask, batch, length, causal: true);
        return new ModelInputs(backend.From(ids, [batch, length]), where, keys)
        {
            Tasks = tasks,
            Holes = ranges.IsEmpty ? AttentionRanges.HolesOf(mask, batch, length) : null,
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
        int length = ids.Length / batch;
        int[] positions = new int[ids.Length], offsets = new int[batch];
        int[] ranges = new int[2 * ids.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            int row = i / length;
            offsets[row] = cache.LengthOf(row);
            positions[i] = offsets[row] + i % length;
            ranges[2 * i + 1] = positions[i] + 1;
        }
        return new ModelInputs(backend.From(ids, [batch, length]), positions, ranges)
        {
            Cache = cache,
            KeyOffset = cache.Length,
            RowOffsets = offsets.AsSpan().ContainsAnyExcept(cache.Length) ? offsets : null,
            Tasks = tasks,
        };
    }

    /// <summary>Inputs of an encoder: every token attends to all tokens of its row.</summary>
    /// <exception cref="ShapeException">The tokens do not fill the rows.</exception>
    internal static ModelInputs Bidirectional(Backend backend, InputArrays arrays)
    {
        int batch = arrays.BatchSize;
        return batch > 0 && arrays.Ids.Length > 0 && arrays.Ids.Length % batch == 0
            ? Bidirectional(backend, arrays, arrays.Ids.Length / batch)
            : throw new ShapeException("inputs", $"{arrays.Ids.Length} tokens do not fill {batch} rows of one length");
    }

    /// <summary>Inputs of an encoder whose hidden states need not be those of tokens: patches of a picture, frames of a sound, or tokens
    /// and then patches.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="arrays">The batch; mask, positions and ranges are those of the hidden states.</param>
    /// <param name="places">Hidden states of a row.</param>
    internal static ModelInputs Bidirectional(Backend backend, InputArrays arrays, int places)
    {
        int batch = arrays.BatchSize;
        int[] ranges = arrays.Ranges ?? AttentionRanges.Of(arrays.Mask, batch, places, causal: false);
        return Of(backend, arrays, places, arrays.Positions ?? AttentionRanges.Positions(batch, places), ranges,
            arrays.Ranges is null ? AttentionRanges.HolesOf(arrays.Mask, batch, places) : null);
    }

    /// <summary>Inputs of a model whose layers do not attend to positions of a row, such as a UNet.</summary>
    internal static ModelInputs WithoutPositions(Backend backend, InputArrays arrays) =>
        Of(backend, arrays, places: 1, new int[arrays.BatchSize], ranges: null, holes: null);

    private static ModelInputs Of(Backend backend, InputArrays arrays, int places, int[] positions, int[]? ranges, int[]? holes)
    {
        int batch = arrays.BatchSize;
        var ids = arrays.Ids.Length == 0 ? null : backend.From(arrays.Ids, [batch, arrays.Ids.Length / batch]);
        var dense = DenseInputs.Upload(backend, arrays);
        var owner = ids ?? dense.Uploads.FirstOrDefault()?.Tensor
            ?? throw new ShapeException("inputs", "a batch has neither tokens nor pixels nor sound");
        return new ModelInputs(owner, ids, places, positions, ranges, batch)
        {
            IsCausal = false,
            Dense = dense,
            Tasks = arrays.Tasks,
            IdsOnHost = ids is null ? null : arrays.Ids,
            IsUploadable = true,
            Mask = arrays.Mask,
            Holes = holes,
            Types = arrays.TokenTypes,
            Boxes = arrays.Boxes,
        };
    }

    /// <summary>Inputs of an encoder of sound.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="arrays">The batch.</param>
    /// <param name="places">Hidden states of a row.</param>
    /// <param name="frames">(B): those of each row that are no padding; null without padding.</param>
    internal static ModelInputs OfFrames(Backend backend, InputArrays arrays, int places, int[]? frames)
    {
        int batch = arrays.BatchSize;
        int[]? mask = null;
        if (frames is not null && frames.AsSpan().ContainsAnyExcept(places))
        {
            mask = new int[batch * places];
            for (int row = 0; row < batch; row++)
            {
                mask.AsSpan(row * places, frames[row]).Fill(1);
            }
        }
        int[] counts = frames ?? [.. Enumerable.Repeat(places, batch)];
        var inputs = Bidirectional(backend, arrays with { Mask = mask }, places);
        return new ModelInputs(inputs)
        {
            FrameCounts = counts,
            _frames = new Uploaded(backend.From(counts, [batch]).SameScope(inputs._owner), counts),
        };
    }

    /// <summary>The inputs with virtual tokens before each row, which the model reads as embeddings.</summary>
    /// <param name="counts">Virtual tokens of each row. A row with fewer than the longest is padded on the left; no token attends to the
    /// padding.</param>
    internal ModelInputs WithPromptTokens(ReadOnlySpan<int> counts)
    {
        int places = Largest(counts), length = places + Length;
        int[] positions = new int[Batch * length];
        int[]? ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int b = 0; b < Batch; b++)
        {
            int unused = places - counts[b];
            for (int t = 0; t < length; t++)
            {
                int at = b * length + t;
                positions[at] = t >= places ? Behind(counts[b], _positions[b * Length + t - places]) : Math.Max(0, t - unused);
                if (ranges is not null)
                {
                    (ranges[2 * at], ranges[2 * at + 1]) = t >= places ? Seen(b, t - places, counts[b], places)
                        : IsCausal ? (Math.Min(unused, t), t + 1) : Seen(b, 0, counts[b], places);
                }
            }
        }
        return new ModelInputs(this, positions, ranges);
    }

    /// <summary>The inputs with learned keys and values before each row.</summary>
    /// <param name="prefix">The keys and values.</param>
    /// <param name="counts">The number of these keys that each row attends to: the last ones.</param>
    internal ModelInputs WithPrefixKv(IPrefix prefix, ReadOnlySpan<int> counts)
    {
        int places = Largest(counts);
        int[] positions = new int[_positions.Length];
        int[]? ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int at = 0; at < positions.Length; at++)
        {
            int b = at / Length;
            positions[at] = Behind(counts[b], _positions[at]);
            if (ranges is not null)
            {
                (ranges[2 * at], ranges[2 * at + 1]) = Seen(b, at % Length, counts[b], places);
            }
        }
        return new ModelInputs(this, positions, ranges) { Prefix = prefix, KeyOffset = KeyOffset + places };
    }

    /// <summary>The position of a token behind virtual ones. Padding that has a place of its own, below 0, keeps it, as in
    /// transformers.</summary>
    private static int Behind(int count, int position) => position < 0 ? position : count + position;

    private static int Largest(ReadOnlySpan<int> counts)
    {
        int largest = 0;
        foreach (int count in counts)
        {
            largest = Math.Max(largest, count);
        }
        return largest;
    }

    /// <summary>Whether plain causal attention is still correct, without ranges.</summary>
    private bool IsPlain(ReadOnlySpan<int> counts, int places) => _ranges is null && counts.IndexOfAnyExcept(places) < 0;

    /// <summary>The keys that a token attends to, if <paramref name="places"/> keys come before the first token and its row attends to the
    /// last <paramref name="count"/> of them.</summary>
    private (int First, int End) Seen(int row, int token, int count, int places)
    {
        int at = row * Length + token;
        var (first, end) = _ranges is null ? (0, token + 1) : (_ranges[2 * at], _ranges[2 * at + 1]);
        if (count == 0)
        {
            return (places + first, places + end);
        }
        return first == 0 ? (places - count, places + end) : throw new BadInputException(
            "virtual tokens stand before the first token of a row, and every token of the row sees them: with them, rows can neither be " +
            "packed nor padded on the left");
    }

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

    /// <summary>Adds the inputs of pictures to these of tokens.</summary>
    /// <returns>These inputs.</returns>
    internal ModelInputs AddPictures(ModelInputs pictures)
    {
        Pictures = pictures;
        return this;
    }

    /// <summary>These inputs with the tokens that end their texts.</summary>
    /// <param name="tokens">(batch).</param>
    internal ModelInputs WithEndTokens(int[] tokens) => new(this) { EndTokens = tokens };

    /// <summary>I32 (batch, 1, 2): the keys [first, end) of the first token of each row; null where keys of no token come before them, or
    /// padding lies between them.</summary>
    internal Tensor? FirstRanges() =>
        IsCausal || _ranges is not { } ranges || Holes is not null || Prefix is not null || VirtualPlaces > 0 ? null
        : Computed("ranges of first tokens", [Batch, 1, 2], () => [.. Enumerable.Range(0, 2 * Batch)
            .Select(i => ranges[2 * (i / 2 * Length) + i % 2])]);
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private Uploaded? _types;
    private Uploaded? _lastTokens;
    private Uploaded? _meanWeights;
    private Uploaded? _ends;

    /// <summary>(batch, tokens): 1 for a token, 0 for padding; null without padding.</summary>
    private int[]? Mask { get; set; }

    /// <summary>(batch, tokens): 0 for tokens of the first text, 1 for those of the second; null for zeros.</summary>
    private int[]? Types { get; init; }

    /// <summary>Virtual tokens before each row, those of the longest row.</summary>
    private int VirtualPlaces => Length - Places;

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
        int[] ranges = arrays.Ranges ?? RangesOf(arrays.Mask, batch, places, causal: false);
        return Of(backend, arrays, places, arrays.Positions ?? Counting(batch, places), ranges,
            arrays.Ranges is null ? HolesOf(arrays.Mask, batch, places) : null);
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

    /// <summary>I32 (batch): the row of each row's last end-of-text token among those of (batch·tokens, C) hidden states.</summary>
    internal Tensor EndRows => _ends?.Tensor ?? throw new InvalidOperationException("The end-of-text tokens were not uploaded.");

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
}

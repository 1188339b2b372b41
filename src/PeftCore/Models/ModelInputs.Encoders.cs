using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private Uploaded? _types;
    private Uploaded? _lastTokens;
    private Uploaded? _meanWeights;

    /// <summary>(batch, tokens): 1 for a token, 0 for padding; null without padding.</summary>
    private int[]? Mask { get; set; }

    /// <summary>(batch, tokens): 0 for tokens of the first text, 1 for those of the second; null for zeros.</summary>
    private int[]? Types { get; init; }

    /// <summary>Virtual tokens before each row, those of the longest row.</summary>
    private int VirtualPlaces => Length - Ids.Shape[1];

    /// <summary>Inputs of an encoder: every token attends to all tokens of its row.</summary>
    /// <exception cref="ShapeException">The tokens do not fill the rows.</exception>
    internal static ModelInputs Bidirectional(Backend backend, InputArrays arrays)
    {
        int batch = arrays.BatchSize;
        if (batch <= 0 || arrays.Ids.Length == 0 || arrays.Ids.Length % batch != 0)
        {
            throw new ShapeException("inputs", $"{arrays.Ids.Length} tokens do not fill {batch} rows of one length");
        }
        int length = arrays.Ids.Length / batch;
        int[] ranges = arrays.Ranges ?? RangesOf(arrays.Mask, batch, length, causal: false);
        return new ModelInputs(backend.From(arrays.Ids, [batch, length]), arrays.Positions ?? Counting(batch, length), ranges)
        {
            IsCausal = false,
            Tasks = arrays.Tasks,
            IdsOnHost = arrays.Ids,
            Mask = arrays.Mask,
            Holes = arrays.Ranges is null ? HolesOf(arrays.Mask, batch, length) : null,
            Types = arrays.TokenTypes,
        };
    }

    /// <summary>I32 (batch, length): token types, 0 for virtual tokens.</summary>
    internal Tensor TokenTypes()
    {
        if (Types is null)
        {
            var zeros = Ids.Backend.NewTensor([Batch, Length], DType.I32);
            zeros.Backend.Zero(zeros);
            return zeros;
        }
        if (_types is null)
        {
            int tokens = Ids.Shape[1], places = VirtualPlaces;
            int[] all = new int[Batch * Length];
            for (int b = 0; b < Batch; b++)
            {
                Types.AsSpan(b * tokens, tokens).CopyTo(all.AsSpan(b * Length + places));
            }
            _types = new Uploaded(Ids.Backend.From(all, [Batch, Length]).SameScope(Ids), all);
        }
        return _types.Tensor;
    }

    /// <summary>I32 (batch): the row of each row's last token among those of (batch·length, C) hidden states.</summary>
    /// <param name="length">Hidden states of a row, those of virtual tokens first; 0 if there are no virtual tokens.</param>
    internal Tensor LastTokenRows(int length = 0)
    {
        int tokens = Ids.Shape[1], places = Math.Max(length, tokens) - tokens;
        if (places == 0 && _lastTokens is not null)
        {
            return _lastTokens.Tensor;
        }
        int[] rows = new int[Batch];
        for (int b = 0; b < Batch; b++)
        {
            rows[b] = b * (places + tokens) + places + LastToken(b);
        }
        var uploaded = new Uploaded(Ids.Backend.From(rows, [Batch]).SameScope(Ids), rows);
        _lastTokens = places == 0 ? uploaded : _lastTokens;
        return uploaded.Tensor;
    }

    /// <summary>F32 (batch, 1, length): 1/n for the n tokens of a row, 0 for padding and virtual tokens.</summary>
    /// <param name="length">As for <see cref="LastTokenRows"/>.</param>
    internal Tensor MeanWeights(int length = 0)
    {
        int tokens = Ids.Shape[1], places = Math.Max(length, tokens) - tokens, all = places + tokens;
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
        var uploaded = new Uploaded(Ids.Backend.From(weights, [Batch, 1, all]).SameScope(Ids), weights);
        _meanWeights = places == 0 ? uploaded : _meanWeights;
        return uploaded.Tensor;
    }

    /// <summary>The last token of a row that is not padding; the first if all are.</summary>
    private int LastToken(int row)
    {
        int tokens = Ids.Shape[1];
        return Mask is null ? tokens - 1 : Math.Max(0, Mask.AsSpan(row * tokens, tokens).LastIndexOf(1));
    }
}

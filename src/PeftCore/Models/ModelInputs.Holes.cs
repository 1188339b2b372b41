using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private Tensor? _holeBias;

    /// <summary>(batch, tokens): 1 for a token, 0 for padding, if some row has padding between its tokens, which no range can leave out;
    /// null otherwise.</summary>
    private int[]? Holes { get; init; }

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

    private static int[]? HolesOf(ReadOnlySpan<int> mask, int batch, int length)
    {
        for (int b = 0; b < batch && !mask.IsEmpty; b++)
        {
            var row = mask.Slice(b * length, length);
            int first = row.IndexOf(1);
            if (first >= 0 && row[first..(row.LastIndexOf(1) + 1)].Contains(0))
            {
                return mask.ToArray();
            }
        }
        return null;
    }
}

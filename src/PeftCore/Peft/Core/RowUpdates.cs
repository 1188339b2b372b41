using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The low-rank updates of the rows of a mixed batch on one linear layer, for inference: y = x·Wᵀ + b for all rows at once, so
/// that W is read once, and (xA∘m)·Bᵀ + s·bias for the rows of each group. Each row gets the bits of <see cref="LowRankLinearOp"/>, its
/// twin, which adds in the same order.</summary>
internal sealed class RowUpdates
{
    private readonly MixedRows _rows;
    private readonly IReadOnlyList<LowRankUpdate>[] _updates; // by group

    private RowUpdates(MixedRows rows, IReadOnlyList<LowRankUpdate>[] updates) => (_rows, _updates) = (rows, updates);

    /// <summary>The updates of each group; null if an adapter computes anything else.</summary>
    public static RowUpdates? Of(MixedRows rows, AdapterParts<LayerAdapter> parts)
    {
        var updates = new IReadOnlyList<LowRankUpdate>[rows.Groups.Count];
        for (int i = 0; i < updates.Length; i++)
        {
            var part = parts.Of(rows.Groups[i].Adapter);
            if (part is not null && part.LowRankUpdates() is null)
            {
                return null;
            }
            updates[i] = part is null ? [] : [.. part.LowRankUpdates()!];
            if (updates[i].Any(update => update.Dropout.Active))
            {
                return null;
            }
        }
        return new RowUpdates(rows, updates);
    }

    /// <summary>The layer's output.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">(B, …, in)</param>
    /// <returns>(B, …, out)</returns>
    public Tensor Forward(Linear layer, Tensor x)
    {
        using var scope = new TensorScope();
        x = _rows.Sort(x);
        var y = x.Linear(layer.Weight.Value, transposed: layer.Transposed);
        for (int i = 0; i < _updates.Length; i++)
        {
            var group = _rows.Groups[i];
            foreach (var update in _updates[i])
            {
                Add(update, group.Of(x), group.Of(y));
            }
        }
        if (layer.Bias is { } bias)
        {
            y.Backend.AddRow(y, bias.Value);
        }
        for (int i = 0; i < _updates.Length; i++)
        {
            foreach (var update in _updates[i])
            {
                update.AddBias(_rows.Groups[i].Of(y));
            }
        }
        return scope.Return(_rows.Unsort(y));
    }

    /// <summary>y += (xA∘m)·Bᵀ with xA = s·x·Aᵀ.</summary>
    private static void Add(in LowRankUpdate update, Tensor x, Tensor y)
    {
        var xA = x.NewLike(x.Shape.WithColumns(update.A.Shape[0]));
        x.Backend.MatMul(x, false, update.A, true, xA, update.Scale);
        if (update.Diagonal is { } diagonal)
        {
            x.Backend.MultiplyRow(xA, diagonal, xA, false);
        }
        x.Backend.MatMul(xA, false, update.B, true, y, 1, accumulate: true);
    }
}

using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The hook of a layer with adapters: runs the layer with the applied adapters, or each row of a mixed batch with its
/// own.</summary>
internal sealed class AdapterDispatcher(ActiveSet set, Layer layer) : LayerHook
{
    /// <summary>The attached adapters of this layer.</summary>
    public AdapterParts<LayerAdapter> Parts { get; } = new(set);

    public override Tensor Forward(Tensor x)
    {
        set.Observer?.See(layer, x);
        if (set.Rows is { } rows)
        {
            return MixedBatch(x, rows);
        }
        var applied = Parts.Applied;
        return applied.Length switch
        {
            0 => layer.Compute(x),
            1 => applied[0].Forward(x),
            _ => Several(applied, x),
        };
    }

    public override IReadOnlyList<LowRankUpdate>? LowRankUpdates() =>
        set.Observer is null && set.Rows is null ? UpdatesOf(Parts.Applied) : null; // Both need Forward to run.

    /// <summary>Several adapters: in one op if all are low-rank updates; otherwise y = layer(x), and each in turn adds to y.</summary>
    private Tensor Several(LayerAdapter[] applied, Tensor x) => layer is MatrixLayer matrix && UpdatesOf(applied) is { } updates
        ? matrix.WithUpdates(x, matrix.Bias?.Value, [.. updates])
        : applied.Aggregate(layer.Compute(x), (y, adapter) => adapter.AddTo(x, y));

    /// <summary>The low-rank updates of all adapters; null if one adapter computes anything else.</summary>
    private static List<LowRankUpdate>? UpdatesOf(LayerAdapter[] applied)
    {
        var all = new List<LowRankUpdate>();
        foreach (var adapter in applied)
        {
            if (adapter.LowRankUpdates() is not { } updates)
            {
                return null;
            }
            all.AddRange(updates);
        }
        return all;
    }

    private Tensor MixedBatch(Tensor x, MixedRows rows)
    {
        if (x.Shape[0] != rows.Adapters.Count)
        {
            throw new BadInputException(
                $"a mixed batch has {rows.Adapters.Count} adapter names, but {x.Shape[0]} rows came to \"{layer.Name}\"; give one name a " +
                "row, and compute losses through a head that an adapter changes from the logits");
        }
        if (layer is Linear linear && !Tape.IsRecording && RowUpdates.Of(rows, Parts) is { } updates)
        {
            return updates.Forward(linear, x);
        }
        return rows.Run((adapter, take) => Parts.Of(adapter)?.Forward(take(x)) ?? layer.Compute(take(x)));
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The hook of a layer with adapters: runs the layer with the applied adapters, or each row of a mixed batch with its
/// own.</summary>
internal sealed class AdapterDispatcher : LayerHook
{
    private readonly ActiveSet _set;
    private readonly Layer _layer;
    private readonly AdapterStack _stack;

    public AdapterDispatcher(ActiveSet set, Layer layer)
    {
        (_set, _layer, Parts) = (set, layer, new AdapterParts<LayerAdapter>(set));
        _stack = new AdapterStack(Parts);
    }

    /// <summary>The attached adapters of this layer.</summary>
    public AdapterParts<LayerAdapter> Parts { get; }

    public override Tensor Forward(Tensor x)
    {
        _set.Observer?.See(_layer, x);
        if (_set.Rows is { } rows)
        {
            return MixedBatch(x, rows);
        }
        var applied = Parts.Applied;
        return applied.Length switch
        {
            0 => _layer.Compute(x),
            1 => applied[0].Forward(x),
            _ => Several(applied, x),
        };
    }

    public override IReadOnlyList<LowRankUpdate>? LowRankUpdates() =>
        _set.Observer is not null ? null // It needs Forward to run.
        : _set.Rows is not { } rows ? UpdatesOf(Parts.Applied)
        : !HasParts(rows) ? []
        : Stacked(rows) is { } update ? [update] : null;

    private bool HasParts(MixedRows rows) => rows.Groups.Exists(group => Parts.Of(group.Adapter) is not null);

    /// <summary>Frees what is kept for mixed batches.</summary>
    public void Free() => _stack.Free();

    /// <summary>The updates of a mixed batch as one; null on devices that compute group by group, and in training.</summary>
    private LowRankUpdate? Stacked(MixedRows rows) =>
        _layer is Linear linear && !Tape.IsRecording && linear.Weight.Value.Backend.PrefersFewLaunches
            ? _stack.Of(rows, _set.Version) : null;

    /// <summary>Several adapters: in one op if all are low-rank updates; otherwise y = layer(x), and each in turn adds to y.</summary>
    private Tensor Several(LayerAdapter[] applied, Tensor x) => _layer is MatrixLayer matrix && UpdatesOf(applied) is { } updates
        ? matrix.WithUpdates(x, matrix.Bias?.Value, [.. updates])
        : applied.Aggregate(_layer.Compute(x), (y, adapter) => adapter.AddTo(x, y));

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
                $"a mixed batch has {rows.Adapters.Count} adapter names, but {x.Shape[0]} rows came to \"{_layer.Name}\"; give one name a " +
                "row, and compute losses through a head that an adapter changes from the logits");
        }
        if (!HasParts(rows))
        {
            return _layer.Compute(x);
        }
        if (_layer is MatrixLayer stacked && Stacked(rows) is { } update)
        {
            return stacked.WithUpdates(x, stacked.Bias?.Value, update);
        }
        if (_layer is Linear linear && !Tape.IsRecording && RowUpdates.Of(rows, Parts) is { } updates)
        {
            return updates.Forward(linear, x);
        }
        return rows.Run((adapter, take) => Parts.Of(adapter)?.Forward(take(x)) ?? _layer.Compute(take(x)));
    }
}

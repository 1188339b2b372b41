using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Stands in one layer's way for all adapters on it, and lets those through that are active.</summary>
internal sealed class AdapterDispatcher(PeftModel model, Layer layer) : LayerHook
{
    private readonly Dictionary<string, LayerAdapter> _adapters = new(StringComparer.Ordinal);

    public bool IsEmpty => _adapters.Count == 0;

    public void Add(string name, LayerAdapter adapter) => _adapters.Add(name, adapter);

    public void Remove(string name) => _adapters.Remove(name);

    public LayerAdapter? Get(string name) => _adapters.GetValueOrDefault(name);

    public override Tensor Forward(Tensor x)
    {
        model.Observer?.See(layer, x);
        if (model.RowAdapters is { } rows)
        {
            return MixedBatch(x, rows);
        }
        var active = Active();
        return active.Count switch
        {
            0 => layer.Compute(x),
            1 => active[0].Forward(x),
            _ => Together(active, x),
        };
    }

    public override IReadOnlyList<LowRankUpdate>? LowRankUpdates()
    {
        if (model.Observer is not null)
        {
            return null; // Whoever watches inputs stands in Forward.
        }
        var all = new List<LowRankUpdate>();
        foreach (var adapter in model.RowAdapters is null ? Active() : [])
        {
            if (adapter.LowRankUpdates() is not { } branches)
            {
                return null;
            }
            all.AddRange(branches);
        }
        return model.RowAdapters is null ? all : null;
    }

    /// <summary>Several adapters at once: in one op where all are low-rank products, otherwise one after the other.</summary>
    private Tensor Together(List<LayerAdapter> active, Tensor x)
    {
        var branches = active.Select(adapter => adapter.LowRankUpdates()).ToList();
        return branches.TrueForAll(some => some is not null)
            ? x.LoraLinear(layer.OwnParameter("weight")!.Value, layer.OwnParameter("bias")?.Value, layer is Linear { Transposed: true },
                [.. branches.SelectMany(some => some!)])
            : active.Aggregate(layer.Compute(x), (y, adapter) => adapter.AddTo(x, y));
    }

    private List<LayerAdapter> Active()
    {
        var active = new List<LayerAdapter>();
        foreach (string name in model.AppliedAdapters)
        {
            if (_adapters.TryGetValue(name, out var adapter))
            {
                active.Add(adapter);
            }
        }
        return active;
    }

    /// <summary>Runs each group of rows with its own adapter and puts the rows back in their order.</summary>
    private Tensor MixedBatch(Tensor x, IReadOnlyList<string?> rows)
    {
        if (x.Shape[0] != rows.Count)
        {
            throw new BadInputException(
                $"a mixed batch has {rows.Count} adapter names, but {x.Shape[0]} rows came to \"{layer.Name}\"; give one name a row, and " +
                "compute losses through a head that an adapter changes from the logits");
        }
        return MixedRows.Run(rows, (name, picked) =>
        {
            var part = RowSelection.Take(x, picked);
            return name is not null && _adapters.TryGetValue(name, out var adapter) ? adapter.Forward(part) : layer.Compute(part);
        });
    }
}

/// <summary>Picks rows of the outermost axis.</summary>
internal static class RowSelection
{
    public static Tensor Take(Tensor x, ReadOnlySpan<int> rows)
    {
        Span<int> extents = stackalloc int[x.Shape.Rank];
        x.Shape.CopyTo(extents);
        extents[0] = rows.Length;
        int columns = checked((int)(x.Count / x.Shape[0]));
        if (x.DType is DType.F32 or DType.BF16)
        {
            return x.Reshape([x.Shape[0], columns]).Rows(x.Backend.From(rows, [rows.Length])).Reshape(Shape.Of(extents));
        }
        var taken = x.NewLike(Shape.Of(extents), x.DType);
        for (int i = 0; i < rows.Length; i++)
        {
            x.Backend.Copy(x.View([columns], (long)rows[i] * columns), taken.View([columns], (long)i * columns));
        }
        return taken;
    }
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>One adapter's part where a sublayer's output joins a block's stream.</summary>
internal abstract class ResidualAdapter
{
    /// <summary>Its parameters; the path is filled in by the adapter.</summary>
    public abstract IEnumerable<AdapterParameter> Parameters { get; }

    /// <summary>What the block goes on with instead of the sum, with only this adapter active.</summary>
    public abstract Tensor Add(Tensor stream, Tensor output);
}

/// <summary>A part of an adapter and where it stands.</summary>
/// <param name="Path">The path its parameters have.</param>
/// <param name="Place">The sum.</param>
/// <param name="Part">What stands there.</param>
internal sealed record ResidualAttachment(string Path, ResidualAdd Place, ResidualAdapter Part);

/// <summary>Stands in one sum's way for all adapters on it, and lets those through that are active.</summary>
internal sealed class ResidualDispatcher(PeftModel model) : ResidualHook
{
    private readonly Dictionary<string, ResidualAdapter> _adapters = new(StringComparer.Ordinal);

    public bool IsEmpty => _adapters.Count == 0;

    public void Add(string name, ResidualAdapter adapter) => _adapters.Add(name, adapter);

    public void Remove(string name) => _adapters.Remove(name);

    public override Tensor Add(Tensor stream, Tensor output)
    {
        if (model.RowAdapters is { } rows)
        {
            return MixedRows.Run(rows, (name, picked) =>
            {
                Tensor x = RowSelection.Take(stream, picked), h = RowSelection.Take(output, picked);
                return name is not null && _adapters.TryGetValue(name, out var adapter) ? adapter.Add(x, h) : x + h;
            });
        }
        var active = model.AppliedAdapters.Where(_adapters.ContainsKey).Select(name => _adapters[name]).ToList();
        return active.Count switch
        {
            0 => stream + output,
            1 => active[0].Add(stream, output),
            _ => Together(active, stream, output),
        };
    }

    /// <summary>What each adapter changes adds up.</summary>
    private static Tensor Together(List<ResidualAdapter> active, Tensor stream, Tensor output)
    {
        using var scope = new TensorScope();
        var plain = stream + output;
        return scope.Return(active.Aggregate(plain, (sum, adapter) => sum + (adapter.Add(stream, output) - plain)));
    }
}

/// <summary>Runs each group of rows of a batch with its own adapter.</summary>
internal static class MixedRows
{
    /// <param name="rows">The name of each row's adapter; null for none.</param>
    /// <param name="run">Computes the rows of a group from their numbers.</param>
    /// <returns>All rows, in their order.</returns>
    public static Tensor Run(IReadOnlyList<string?> rows, Func<string?, int[], Tensor> run)
    {
        var groups = rows.Select((name, row) => (name, row)).GroupBy(pair => pair.name, pair => pair.row).ToList();
        var together = Tensor.Concat([.. groups.Select(group => run(group.Key, [.. group]))]);
        int[] order = groups.SelectMany(group => group).ToArray();
        return RowSelection.Take(together, [.. Enumerable.Range(0, order.Length).Select(row => Array.IndexOf(order, row))]);
    }
}

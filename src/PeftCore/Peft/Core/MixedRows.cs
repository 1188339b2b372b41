using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The rows of a mixed batch, grouped by adapter. Each group is computed as a separate batch.</summary>
internal sealed class MixedRows
{
    private readonly List<(Adapter? Adapter, int[] Rows)> _groups;
    private readonly int[] _order; // The place of each row among the rows of all groups.

    /// <param name="adapters">The adapter of each row; null for the base alone.</param>
    /// <exception cref="BadInputException">An adapter replaces base parameters, which all rows share.</exception>
    public MixedRows(IReadOnlyList<Adapter?> adapters)
    {
        if (adapters.FirstOrDefault(adapter => adapter?.Swaps.Count > 0) is { } shared)
        {
            throw new BadInputException($"adapter \"{shared.Name}\" replaces parameters of the base, which all rows of a batch share; " +
                "run its rows by themselves");
        }
        Adapters = adapters;
        _groups = [.. adapters.Select((adapter, row) => (adapter, row)).GroupBy(pair => pair.adapter, pair => pair.row)
            .Select(group => (group.Key, group.ToArray()))];
        _order = new int[adapters.Count];
        foreach (var (place, row) in _groups.SelectMany(group => group.Rows).Index())
        {
            _order[row] = place;
        }
    }

    /// <summary>The adapter of each row; null for the base alone.</summary>
    public IReadOnlyList<Adapter?> Adapters { get; }

    /// <summary>Runs each group with its adapter.</summary>
    /// <param name="run">Computes a group from its adapter and the indices of its rows.</param>
    /// <returns>All rows, in their order.</returns>
    public Tensor Run(Func<Adapter?, int[], Tensor> run) =>
        Take(Tensor.Concat([.. _groups.Select(group => run(group.Adapter, group.Rows))]), _order);

    /// <summary>Selects rows of the outermost axis: (rows, …) to (selected, …).</summary>
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

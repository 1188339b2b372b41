using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The rows of a mixed batch, grouped by adapter: sorted, so that the rows of a group are adjacent. What all adapters share, such
/// as the product with a base weight, is computed once for all rows; the rest for each group.</summary>
internal sealed class MixedRows
{
    private readonly int[] _sorted; // The row at each place of the sorted order.
    private readonly int[] _places; // The place of each row.
    private readonly bool _isSorted;
    private readonly List<(float[] Values, Tensor Tensor)> _factors = [];

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
        var groups = adapters.Select((adapter, row) => (adapter, row)).GroupBy(pair => pair.adapter, pair => pair.row).ToList();
        _sorted = [.. groups.SelectMany(rows => rows)];
        _places = new int[_sorted.Length];
        foreach (var (place, row) in _sorted.Index())
        {
            _places[row] = place;
        }
        _isSorted = _sorted.Index().All(pair => pair.Index == pair.Item);
        foreach (var rows in groups)
        {
            Groups.Add(new RowGroup(rows.Key, Groups.Sum(group => group.Count), rows.Count()));
        }
    }

    /// <summary>The adapter of each row; null for the base alone.</summary>
    public IReadOnlyList<Adapter?> Adapters { get; }

    /// <summary>The groups, in the sorted order.</summary>
    public List<RowGroup> Groups { get; } = [];

    /// <summary>The adapters that every row has, none or one; null if the rows differ.</summary>
    public Adapter[]? Single => Groups.Count == 1 ? Groups[0].Adapter?.Alone ?? [] : null;

    /// <summary>Runs each group by itself.</summary>
    /// <param name="run">Computes a group from its adapter and a function that selects its rows of a tensor.</param>
    /// <returns>All rows, in their order.</returns>
    public Tensor Run(Func<Adapter?, Func<Tensor, Tensor>, Tensor> run) =>
        Unsort(Tensor.Concat([.. Groups.Select(group =>
            run(group.Adapter, x => Take(x, _sorted.AsSpan(group.First, group.Count))))]));

    /// <summary>(B, adapters·rank): the factors of the columns of each row's adapter, and 0; see <see cref="AdapterStack"/>. Layers with
    /// the same ones share a tensor.</summary>
    /// <param name="adapters">The adapters, each with as many columns as the rank.</param>
    /// <param name="factors">One for each adapter.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="backend">The device.</param>
    public Tensor Factors(IReadOnlyList<Adapter> adapters, float[] factors, int rank, Backend backend)
    {
        float[] values = new float[Adapters.Count * adapters.Count * rank];
        for (int row = 0; row < Adapters.Count; row++)
        {
            for (int i = 0; i < adapters.Count; i++)
            {
                values.AsSpan((row * adapters.Count + i) * rank, rank).Fill(adapters[i] == Adapters[row] ? factors[i] : 0);
            }
        }
        var known = _factors.Find(pair => pair.Values.AsSpan().SequenceEqual(values));
        if (known.Tensor is null)
        {
            var uploaded = backend.From(values, [Adapters.Count, adapters.Count * rank]);
            var cast = uploaded.Cast(backend.ActivationDType).Keep();
            _factors.Add(known = (values, cast));
        }
        return known.Tensor;
    }

    /// <summary>The rows in the sorted order.</summary>
    public Tensor Sort(Tensor x) => _isSorted ? x : Take(x, _sorted);

    /// <summary>Sorted rows in their own order.</summary>
    public Tensor Unsort(Tensor x) => _isSorted ? x : Take(x, _places);

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

/// <summary>Rows of a mixed batch with one adapter.</summary>
/// <param name="Adapter">The adapter; null for the base alone.</param>
/// <param name="First">The first row, in the sorted order.</param>
/// <param name="Count">Rows.</param>
internal readonly record struct RowGroup(Adapter? Adapter, int First, int Count)
{
    /// <summary>The rows of this group, as a view of sorted rows.</summary>
    public Tensor Of(Tensor sorted)
    {
        Span<int> extents = stackalloc int[sorted.Shape.Rank];
        sorted.Shape.CopyTo(extents);
        extents[0] = Count;
        return sorted.View(Shape.Of(extents), sorted.Count / sorted.Shape[0] * First);
    }
}

using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Token tables (input embedding, head) in an adapter's file: Hugging Face PEFT saves them in full if tokens were added. They
/// replace the base's while the adapter is active, and may have more rows.</summary>
internal sealed class AdapterTables : IDisposable
{
    /// <summary>Suffixes of a table's key: that of the table, and those of the wrappers that PEFT puts around it.</summary>
    private static readonly string[] Suffixes = ["weight", "base_layer.weight", "token_adapter.base_layer.weight",
        "original_module.weight"];

    private readonly TransformerModel _model;
    private readonly string _place;
    private readonly List<Table> _tables = [];

    private AdapterTables(TransformerModel model, string place) => (_model, _place) = (model, place);

    /// <summary>The token embedding and the head with their paths.</summary>
    public static IReadOnlyList<(string Path, Module Module)> Of(TransformerModel model) =>
        [.. model.NamedModules().Where(module => module.Module == model.TokenTable || module.Module == model.VocabularyHead)];

    /// <summary>Reads the tables of a file. The base must have its original parameters.</summary>
    /// <exception cref="BadInputException">A table does not fit the base, or the file has two different ones.</exception>
    public static AdapterTables Read(TransformerModel model, AdapterWeights weights)
    {
        var tables = new AdapterTables(model, weights.Place);
        try
        {
            foreach (var (path, module) in Of(model))
            {
                tables.Add(path, module, weights);
            }
            tables.Tie();
            return tables;
        }
        catch
        {
            tables.Dispose();
            throw;
        }
    }

    /// <summary>Runs code with these tables in the base, so that parameters created for them have their number of rows.</summary>
    public T On<T>(Func<T> body)
    {
        var swaps = _tables.Select(table => Swap(table)).ToList();
        swaps.ForEach(swap => swap.Activate());
        try
        {
            return body();
        }
        finally
        {
            swaps.ForEach(swap => swap.Deactivate());
        }
    }

    /// <summary>The keys of tables, except those that are parameters of the adapter.</summary>
    /// <param name="claimed">Keys of the adapter's parameters.</param>
    public IEnumerable<string> Unclaimed(HashSet<string> claimed) =>
        _tables.Where(table => !IsClaimed(table, claimed)).SelectMany(table => table.Keys)
        .Concat(_tables.SelectMany(table => table.Keys.Where(key => !claimed.Contains(key)
            && key.EndsWith(Suffixes[^1], StringComparison.Ordinal))));

    /// <summary>Replaces an adapter's tables by these. A table equal to the base's is not swapped in.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="claimed">Keys of the adapter's parameters.</param>
    /// <param name="warnings">Receives a sentence if a weight tie is removed.</param>
    /// <exception cref="BadInputException">Embedding and head would have different rows.</exception>
    public void Settle(Adapter adapter, HashSet<string> claimed, ICollection<string>? warnings)
    {
        var kept = _tables.Where(table => !IsClaimed(table, claimed)
            && !adapter.Swaps.Exists(swap => swap.IsTrainable && swap.Replaces(table.Module, "weight"))
            && !(table.Keys.Count == 0 && _tables.Exists(other => other.Value == table.Value && other.Keys.Count > 0
                && IsClaimed(other, claimed)))).ToList();
        kept.RemoveAll(table => IsShared(adapter, table.Module));
        RefuseUnlike(adapter, kept);
        adapter.Tables.RemoveAll(table => !IsShared(adapter, _model.Find(table.Path)!));
        foreach (var table in kept)
        {
            if (adapter.Swaps.Find(swap => !swap.IsTrainable && swap.Replaces(table.Module, "weight")) is { } before)
            {
                adapter.Swaps.Remove(before);
                if (!adapter.Swaps.Exists(swap => swap.Value == before.Value))
                {
                    before.Value.Dispose();
                }
            }
            if (table.Keys.Count > 0)
            {
                adapter.Tables.Add((table.Path, table.Keys[0]));
            }
            if (!Same(table.Value, table.Module.OwnParameter("weight")!))
            {
                adapter.Swaps.Insert(0, Swap(table));
                table.IsTaken = true;
            }
        }
        if (_model.IsTied && kept is [{ IsTaken: true } first, { IsTaken: true } second] && first.Value != second.Value)
        {
            warnings?.Add($"{_place}: the base ties its head to the embedding, but the adapter holds two different tables; while it is " +
                "active they are not tied");
        }
    }

    public void Dispose()
    {
        foreach (var table in _tables.Where(table => !_tables.Exists(other => other.IsTaken && other.Value == table.Value)))
        {
            table.Value.Dispose();
        }
    }

    private void Add(string path, Module module, AdapterWeights weights)
    {
        // Methods that wrap no layers have the shorter prefix.
        List<string> keys =
            [.. Suffixes.SelectMany(suffix => new[] { AdapterParameter.Prefix,
                AdapterParameter.ModelPrefix }.Select(prefix => $"{prefix}{path}.{suffix}"))
            .Where(key => weights.TryGet(key, out _))];
        if (keys.Count == 0)
        {
            return;
        }
        var entry = weights.Get(keys[0]);
        // A module that is trained in full is saved in addition to the original, which may differ.
        if (keys.Skip(1).FirstOrDefault(key => !key.EndsWith(Suffixes[^1], StringComparison.Ordinal)
            && !AdapterValues.AreAlike(entry, weights.Get(key))) is { } other)
        {
            throw entry.Error($"is the table of \"{path}\", and \"{other}\" is another; which one counts cannot be told: keep one");
        }
        var own = module.OwnParameter("weight")!;
        if (entry.Shape is not [var rows, var columns] || columns != own.Shape.Columns || rows > int.MaxValue / Math.Max(1, columns))
        {
            throw entry.Error($"has shape ({string.Join(", ", entry.Shape)}), but a table of this base has {own.Shape.Columns} columns");
        }
        if (rows < own.Shape[0])
        {
            throw entry.Error(
                $"has {rows} rows, but the base has {own.Shape[0]} tokens: the adapter was trained on a smaller vocabulary; " +
                $"resize the base first (--resize-token-embeddings {rows}, or ResizeTokenEmbeddings({rows}))");
        }
        var value = new Parameter([(int)rows, (int)columns]);
        _tables.Add(new Table(path, module, keys, value));
        AdapterValues.Check(entry, value.Shape);
        AdapterValues.Read(entry, value.Materialize(own.Value.Backend, own.Value.DType));
    }

    /// <summary>If the base ties embedding and head, a table that is stored once, or twice with equal values, is shared as well.</summary>
    private void Tie()
    {
        if (!_model.IsTied || _tables.Count == 0)
        {
            return;
        }
        if (_tables is [var first, var second])
        {
            if (Same(first.Value, second.Value))
            {
                second.Value.Dispose();
                _tables[1] = second with { Value = first.Value };
            }
            return;
        }
        var (path, module) = Of(_model).First(table => table.Module != _tables[0].Module);
        _tables.Add(new Table(path, module, [], _tables[0].Value));
    }

    private void RefuseUnlike(Adapter adapter, List<Table> kept)
    {
        if (_model.TokenTable is not { } table)
        {
            return;
        }
        int embedding = Rows(table), head = _model.VocabularyHead is { } layer ? Rows(layer) : embedding;
        if (embedding != head)
        {
            throw new BadInputException($"{_place}: with this adapter the token embedding has {embedding} rows and the head {head}; " +
                $"resize the base first (--resize-token-embeddings {Math.Max(embedding, head)}, or " +
                $"ResizeTokenEmbeddings({Math.Max(embedding, head)}))");
        }

        int Rows(Module module) => (kept.Find(table => table.Module == module)?.Value
            ?? adapter.Swaps.Find(swap => (swap.IsTrainable || IsShared(adapter, module)) && swap.Replaces(module, "weight"))?.Value
            ?? module.OwnParameter("weight")!).Shape[0];
    }

    /// <summary>Whether a module shares a parameter that the adapter trains in another module.</summary>
    private static bool IsShared(Adapter adapter, Module module) =>
        adapter.Swaps.Exists(swap => !swap.IsTrainable && swap.Replaces(module, "weight")
        && adapter.Swaps.Exists(owner => owner.IsTrainable && owner.Value == swap.Value));

    private static ParameterSwap Swap(Table table) =>
        new(table.Module, "weight", new AdapterParameter(table.Path, "weight", "weight", table.Value), trainable: false);

    private static bool IsClaimed(Table table, HashSet<string> claimed) => table.Keys.Any(claimed.Contains);

    private static bool Same(Parameter a, Parameter b) => a.Value.HasSameBytes(b.Value);

    /// <summary>One table.</summary>
    /// <param name="Path">Path of the table's module.</param>
    /// <param name="Module">The module.</param>
    /// <param name="Keys">Keys in the file; empty if the table shares the other table's values.</param>
    /// <param name="Value">The values, in the dtype of the base.</param>
    private sealed record Table(string Path, Module Module, IReadOnlyList<string> Keys, Parameter Value)
    {
        /// <summary>Whether an adapter has taken ownership of the values.</summary>
        public bool IsTaken { get; set; }
    }
}

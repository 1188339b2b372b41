using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Prepends the prompts of all applied adapters to every row of a batch; in a mixed batch, to each row the prompts of its own
/// adapters. Rows with fewer virtual tokens than others are padded on the left.</summary>
internal sealed class AdapterPrompts(ActiveSet set) : IVirtualTokens
{
    public int Count => ReadCount + Longest<PrefixEncoder>();

    public int ReadCount => Longest<TokenPrompt>();

    public (Tensor Embedded, ModelInputs Inputs) Prepend(Tensor embedded, ModelInputs inputs)
    {
        (embedded, inputs) = PrependTokens(embedded, inputs);
        return (embedded, PrependPrefix(inputs));
    }

    public (Tensor Embedded, ModelInputs Inputs) PrependTokens(Tensor embedded, ModelInputs inputs)
    {
        if (ReadCount == 0)
        {
            return (embedded, inputs);
        }
        var rows = RowsOf<TokenPrompt>(inputs.Batch);
        int[] tasks = TasksOf(inputs);
        var pieces = rows.SelectMany((row, b) => row.Select(prompt => (Prompt: prompt, Task: tasks[b]))).Distinct().ToList();
        pieces.ForEach(piece => piece.Prompt.CheckTask(piece.Task));
        var table = Table([.. pieces.Select(piece => piece.Prompt.Rows(piece.Task))]);
        int[] places = Places(rows, (row, prompt) => pieces.TakeWhile(piece => piece != (prompt, tasks[row]))
            .Sum(piece => piece.Prompt.Count));
        embedded = Joined(table, embedded.Backend.From(places, [rows.Length, places.Length / rows.Length]), embedded);
        return (embedded, inputs.WithPromptTokens(CountsOf(rows)));
    }

    public ModelInputs PrependPrefix(ModelInputs inputs)
    {
        if (Longest<PrefixEncoder>() == 0)
        {
            return inputs;
        }
        if (set.Rows is not null && ReadCount > 0)
        {
            throw new BadInputException(
                "a mixed batch cannot have virtual tokens in some rows and prefixes in others: unused places for the tokens would " +
                "lie between a prefix and its row; run those rows apart");
        }
        var rows = RowsOf<PrefixEncoder>(inputs.Batch);
        return inputs.WithPrefixKv(new PrefixRows(rows, inputs.PlaceTensor), CountsOf(rows));
    }

    public Targets Prepend(Targets targets, int batch) =>
        ReadCount > 0 ? targets.WithPromptTokens(CountsOf(RowsOf<TokenPrompt>(batch)), ReadCount)
        : targets;

    /// <summary>Prepends rows of a table to those of a tensor, (batch, rows, columns).</summary>
    /// <param name="table">(any, columns).</param>
    /// <param name="places">I32 (batch, places): row indices into the table.</param>
    /// <param name="x">(batch, length, columns)</param>
    private static Tensor Joined(Tensor table, Tensor places, Tensor x)
    {
        int batch = x.Shape[0], columns = x.Shape.Columns, count = places.Shape[1];
        var first = table.Rows(places).Cast(x.DType).Reshape([batch, count * columns]);
        return first.ConcatColumns(x.Reshape([batch, x.Shape[1] * columns])).Reshape([batch, count + x.Shape[1], columns]);
    }

    private static Tensor Table(Tensor[] parts) => parts.Length == 1 ? parts[0] : Tensor.Concat(parts);

    /// <summary>For each row of the batch the table rows of its prompts, right-aligned; the padding on the left is 0 and is
    /// masked.</summary>
    private static int[] Places<T>(IReadOnlyList<T>[] rows, Func<int, T, int> firstInTable) where T : PromptEncoder
    {
        int[] counts = CountsOf(rows);
        int width = counts.Max();
        int[] places = new int[rows.Length * width];
        for (int b = 0; b < rows.Length; b++)
        {
            int at = b * width + width - counts[b];
            foreach (var prompt in rows[b])
            {
                for (int i = 0; i < prompt.Count; i++)
                {
                    places[at++] = firstInTable(b, prompt) + i;
                }
            }
        }
        return places;
    }

    private static int[] CountsOf<T>(IReadOnlyList<T>[] rows) where T : PromptEncoder =>
        Array.ConvertAll(rows, row => row.Sum(prompt => prompt.Count));

    /// <summary>The largest number of virtual tokens of a row. It runs in every step, so it allocates nothing.</summary>
    private int Longest<T>() where T : PromptEncoder
    {
        int longest = 0, sum = 0;
        if (set.Rows is { Adapters: var rows })
        {
            for (int i = 0; i < rows.Count; i++)
            {
                longest = Math.Max(longest, CountOf<T>(rows[i]));
            }
            return longest;
        }
        foreach (var adapter in set.Applied)
        {
            sum += CountOf<T>(adapter);
        }
        return sum;
    }

    private static int CountOf<T>(Adapter? adapter) where T : PromptEncoder => adapter?.Prompt is T prompt ? prompt.Count : 0;

    private IReadOnlyList<T>[] RowsOf<T>(int batch) where T : PromptEncoder
    {
        var sets = Sets().Select(PromptsOf<T>).ToArray();
        return sets.Length == batch ? sets : sets.Length == 1 ? [.. Enumerable.Repeat(sets[0], batch)] : throw new BadInputException(
            $"a mixed batch has {sets.Length} adapter names, but {batch} rows; give one name a row");
    }

    /// <summary>The adapters of each row of a mixed batch; otherwise one set that all rows share.</summary>
    private IReadOnlyList<Adapter>[] Sets() => set.Rows is { } rows
        ? [.. rows.Adapters.Select(adapter => adapter is null ? (IReadOnlyList<Adapter>)[] : [adapter])]
        : [set.Applied];

    private static IReadOnlyList<T> PromptsOf<T>(IReadOnlyList<Adapter> adapters) where T : PromptEncoder =>
        [.. adapters.Select(adapter => adapter.Prompt).OfType<T>()];

    public void CheckTask(int task)
    {
        foreach (var prompt in Sets().SelectMany(PromptsOf<TokenPrompt>).Distinct())
        {
            prompt.CheckTask(task);
        }
    }

    /// <summary>The task of each row: the task in the batch if it is given, else the one in <see cref="ActiveSet.Tasks"/>, else
    /// 0.</summary>
    private int[] TasksOf(ModelInputs inputs)
    {
        int batch = inputs.Batch;
        var tasks = inputs.Tasks ?? set.Tasks ?? [0];
        return tasks.Count == batch ? [.. tasks] : tasks.Count == 1 ? [.. Enumerable.Repeat(tasks[0], batch)] : throw new BadInputException(
            $"{tasks.Count} tasks are given, but the batch has {batch} rows; give one a row");
    }

    /// <summary>The prefix keys and values of each row.</summary>
    private sealed class PrefixRows : IPrefix
    {
        private readonly List<PrefixEncoder> _encoders;
        private readonly Tensor _places;

        public PrefixRows(IReadOnlyList<PrefixEncoder>[] rows, Tensor ids)
        {
            _encoders = [.. rows.SelectMany(row => row).Distinct()];
            int[] places = Places(rows, (_, prompt) => _encoders.TakeWhile(other => other != prompt).Sum(other => other.Count));
            Length = places.Length / rows.Length;
            _places = ids.Backend.From(places, [rows.Length, Length]).SameScope(ids);
        }

        public int Length { get; }

        public (Tensor Keys, Tensor Values) Prepend(int layer, Tensor keys, Tensor values)
        {
            var parts = _encoders.ConvertAll(encoder => encoder.Layer(layer));
            return (Joined(Table([.. parts.Select(part => part.Keys)]), _places,
                keys), Joined(Table([.. parts.Select(part => part.Values)]), _places, values));
        }
    }
}

namespace PeftCore.Peft;

/// <summary>Reads the values of an attached adapter from a file. A missing or unexpected key is an error; Hugging Face PEFT only
/// warns.</summary>
internal static class AdapterReader
{
    /// <summary>Reads every parameter of an adapter; nothing is changed before all keys, shapes and dtypes are checked.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="source">The file.</param>
    /// <param name="tables">The token tables of the file.</param>
    /// <param name="warnings">Receives a sentence if a weight tie is removed; null to ignore it.</param>
    /// <exception cref="BadInputException">The file does not fit the adapter.</exception>
    public static void Read(Adapter adapter, AdapterWeights source, AdapterTables tables, ICollection<string>? warnings = null)
    {
        var unused = new HashSet<string>(source.Names, StringComparer.Ordinal);
        var entries = adapter.Entries.ToLookup(entry => unused.Remove(entry.Name));
        HashSet<string> claimed = [.. adapter.Entries.Select(entry => entry.Name)];
        unused.ExceptWith(tables.Unclaimed(claimed));
        Refuse(source, adapter.Config, [.. entries[false].Where(entry => !entry.Optional).Select(entry => entry.Name)],
            [.. unused.Order(StringComparer.Ordinal)]);
        foreach (var entry in entries[true])
        {
            entry.Check(source.Get(entry.Name));
        }
        tables.Settle(adapter, claimed, warnings);
        foreach (var entry in entries[true])
        {
            entry.Read(source.Get(entry.Name));
        }
    }

    private static void Refuse(AdapterWeights source, PeftConfig config, List<string> missing, List<string> unused)
    {
        if (missing.Count == 0 && unused.Count == 0)
        {
            return;
        }
        var parts = new List<string>();
        if (missing.Count > 0)
        {
            parts.Add($"{missing.Count} keys are missing ({Some(missing)})");
        }
        if (unused.Count > 0)
        {
            parts.Add($"{unused.Count} keys fit nothing ({Some(unused)})");
        }
        string trainedOn = config.BaseModelNameOrPath is { Length: > 0 } name ? $"; it was trained on {name}" : "";
        throw new BadInputException(
            $"{source.Place}: the adapter does not fit its configuration and this model: {string.Join(" and ", parts)}{trainedOn}");
    }

    private static string Some(List<string> names) => string.Join(", ", names.Take(3)) + (names.Count > 3 ? ", …" : "");
}

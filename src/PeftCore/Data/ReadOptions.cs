namespace PeftCore.Data;

/// <summary>How rows are read.</summary>
public sealed record ReadOptions
{
    /// <summary>Other names for fields: what the file calls it, and what it is here ("text", "label", "prompt" …), or null to leave it
    /// out. So {"Tweet text": "text", "Label": "label", "ID": null} reads a table with these three columns.</summary>
    public IReadOnlyDictionary<string, string?> Fields { get; init; } = new Dictionary<string, string?>();

    /// <summary>Gets a sentence for whatever was read otherwise than its file's ending says, and for what is more often a mistake than a
    /// wish. Null drops them.</summary>
    public ICollection<string>? Warnings { get; init; }

    internal Dictionary<string, FieldValue> Rename(RowPlace place, IEnumerable<(string Name, FieldValue Value)> fields)
    {
        var renamed = new Dictionary<string, FieldValue>(StringComparer.Ordinal);
        foreach ((string name, var value) in fields)
        {
            if ((Fields.TryGetValue(name, out string? other) ? other : name) is string kept && !renamed.TryAdd(kept, value))
            {
                throw place.Error($"two fields are named \"{kept}\"");
            }
        }

        return renamed;
    }
}

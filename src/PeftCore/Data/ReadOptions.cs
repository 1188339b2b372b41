namespace PeftCore.Data;

/// <summary>Options for reading rows.</summary>
public sealed class ReadOptions
{
    /// <summary>Renames fields: from the name in the file to the name here ("text", "label", "prompt" …), or to null to drop the field. For
    /// example {"Tweet text": "text", "Label": "label", "ID": null}.</summary>
    public IReadOnlyDictionary<string, string?> Fields { get; init; } = new Dictionary<string, string?>();

    /// <summary>Receives warnings: files in another layout than their ending says, and probable mistakes. Null drops them.</summary>
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

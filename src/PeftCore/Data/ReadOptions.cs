using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Options for reading rows.</summary>
public sealed class ReadOptions
{
    /// <summary>Renames fields: from the name in the file to the name here ("text", "label", "prompt" …), or to null to drop the field. For
    /// example {"Tweet text": "text", "Label": "label", "ID": null}.</summary>
    public IReadOnlyDictionary<string, string?> Fields { get; init => field = Given.Value(value); } = new Dictionary<string, string?>();

    /// <summary>Renames labels and tags: from the label in the file to the name of its class, such as {"0": "no complaint", "1":
    /// "complaint"}. Every label must be among them, or be one of the names. Empty keeps all labels.</summary>
    public IReadOnlyDictionary<string, string> LabelNames { get; init => field = Given.Value(value); } = new Dictionary<string, string>();

    /// <summary>Whether underscores in labels and tags become spaces, so that a model writes words: "no_complaint" becomes "no
    /// complaint".</summary>
    public bool LabelSpaces { get; init; }

    /// <summary>Readers of other formats, by extension (".parquet"): from the path of a file to its rows, each a JSON object.</summary>
    public IReadOnlyDictionary<string, Func<string, IEnumerable<JsonElement>>> Readers { get; init => field = Given.Value(value); } =
        new Dictionary<string, Func<string, IEnumerable<JsonElement>>>();

    /// <summary>Endings of the files (".wav") that directories of data hold, one directory for each class or with a metadata.csv or
    /// metadata.jsonl. Empty for data of text.</summary>
    public IReadOnlyList<string> MediaEndings { get; init => field = Given.Value(value); } = [];

    /// <summary>Receives warnings: files in another layout than their ending says, and probable mistakes. Null drops them.</summary>
    public ICollection<string>? Warnings { get; init; }

    /// <summary>Whether labels are numbers to predict (regression), not classes.</summary>
    public bool NumberLabels { get; init; }

    /// <exception cref="BadInputException">Two fields get one name, or a field gets a name that no row has.</exception>
    internal void Check()
    {
        foreach (var (from, to) in Fields.Where(field => field.Value is not null))
        {
            if (!RowForm.IsField(to!))
            {
                throw new BadInputException($"The fields rename \"{from}\" to \"{to}\", which no row has"
                    + $"{Spelling.DidYouMean(to!, RowForm.Names)}; expected {RowForm.Accepted}, or nothing to drop the column.");
            }
        }
        if (Fields.Where(field => field.Value is not null).GroupBy(field => field.Value).FirstOrDefault(group => group.Count() > 1) is
            { } twice)
        {
            throw new BadInputException($"The fields name \"{twice.Key}\" twice, for " +
                $"\"{string.Join("\" and \"", twice.Select(f => f.Key))}\"; "
                + "drop all but one.");
        }
    }

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

    /// <summary>Refuses columns to rename that a file does not have.</summary>
    internal void CheckColumns(RowPlace place, IReadOnlyCollection<string> columns)
    {
        if (Fields.Keys.FirstOrDefault(name => !columns.Contains(name)) is { } unknown)
        {
            throw place.Error($"the fields rename \"{unknown}\", but there is no such column{Spelling.DidYouMean(unknown, columns)}; the "
                + $"columns are {string.Join(", ", columns.Take(12).Select(name => $"\"{name}\""))}");
        }
    }

    /// <summary>Refuses columns to rename in a file without columns.</summary>
    internal void CheckNoColumns(string path)
    {
        if (Fields.Count > 0)
        {
            throw new BadInputException($"{path}: the fields rename \"{Fields.Keys.First()}\", but a file of this kind has no columns; " +
                "leave the fields out.");
        }
    }

    /// <summary>The end of a sentence about a missing field, if the options drop it.</summary>
    internal string Dropped(string problem) => Fields.FirstOrDefault(field => field.Value is null
        && problem.Contains($"\"{field.Key}\" is missing", StringComparison.Ordinal)).Key is { } dropped
        ? $"; the fields drop \"{dropped}\", so keep it" : "";

    /// <summary>The row with the names of its labels.</summary>
    /// <exception cref="BadInputException">A label has no name.</exception>
    internal DataRow Named(DataRow row) => LabelNames.Count == 0 && !LabelSpaces ? row : row switch
    {
        LabelledRow { Value: null } labelled => labelled with
        {
            Label = NameOf(row.Place, labelled.Label),
            ClassNames = ClassNames,
        },
        LabelsRow several => several with
        {
            Labels = [.. several.Labels.Select(label => NameOf(row.Place, label))],
            ClassNames = ClassNames,
        },
        MediaRow { Label: { } label } media => media with { Label = NameOf(row.Place, label) },
        TokensRow tagged => tagged with
        {
            Tags = [.. tagged.Tags.Select(tag => NameOf(row.Place, tag))],
            ClassNames = ClassNames,
        },
        _ => row,
    };

    // The names in the order of the numbers that they are given for; null if they are given for other labels.
    private IReadOnlyList<string>? ClassNames => field ??=
        LabelNames.Count > 0 && LabelNames.Keys.All(key => NumberText.TryDigits(key, out _))
        ? [.. LabelNames.OrderBy(name => NumberText.TryDigits(name.Key, out int number) ? number : 0).Select(name => Spaced(name.Value))
            .Distinct()]
        : null;

    private string Spaced(string label) => LabelSpaces ? label.Replace('_', ' ') : label;

    private string NameOf(RowPlace place, string label) => Spaced(LabelNames.Count == 0 ? label : Renamed(place, label));

    private string Renamed(RowPlace place, string label) => LabelNames.TryGetValue(label, out string? name) ? name
        : LabelNames.Values.Contains(label) ? label
        : throw place.Error($"the label \"{label}\" has no name; names are given for {string.Join(", ", LabelNames.Keys.Take(20))}");
}

using PeftCore.Models;

namespace PeftCore.Data;

/// <summary>Maps the class names of a data set to class indices.</summary>
public sealed class LabelMap
{
    private readonly Dictionary<string, int> _ids;

    private LabelMap(string[] names)
    {
        Names = names;
        _ids = names.Select((name, id) => (name, id)).ToDictionary(p => p.name, p => p.id, StringComparer.Ordinal);
    }

    /// <summary>The class names; the index of a name is that of its class.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Number of classes.</summary>
    internal int Count => Names.Count;

    /// <summary>A map with the given names, such as those of a model's id2label.</summary>
    internal static LabelMap Of(IEnumerable<string> names) => new([.. names]);

    /// <summary>Finds the classes or the tags of a data set. Whole numbers are sorted as numbers, so that 0 … n − 1 are their own indices;
    /// names are sorted as text, or by the numbers that <see cref="ReadOptions.LabelNames"/> gives them for, with those that no row
    /// has.</summary>
    /// <exception cref="BadInputException">A row has no label, or there is only one class.</exception>
    public static LabelMap From(IReadOnlyList<DataRow> rows)
    {
        Given.Items(rows);
        if (rows is [TokensRow, ..])
        {
            return OfTags(rows);
        }
        if (rows is [LabelsRow, ..])
        {
            return OfSeveral(rows);
        }
        string[] names = [.. rows.Select(row => row is MediaRow ? OfMedia(row).Label! : Labelled(row).Label)
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        if (names.Length < 2)
        {
            throw new BadInputException($"{(rows.Count > 0 ? rows[0].Place.File : "data")}: "
                + $"{(names.Length == 0 ? "there are no labelled rows" : $"every row has the label \"{names[0]}\"")}, expected at least " +
                "two classes.");
        }

        if (rows is [LabelledRow { ClassNames: { Count: > 1 } all }, ..])
        {
            return new LabelMap([.. all]);
        }
        return new LabelMap(names.All(name => Number(name) is not null) ? Sorted(rows[0].Place.File, names) : names);
    }

    /// <summary>Finds the tags of a data set of tagged words, sorted as the classes of <see cref="From"/>.</summary>
    /// <exception cref="BadInputException">A row has no tags.</exception>
    internal static LabelMap OfTags(IReadOnlyList<DataRow> rows)
    {
        if (rows is [TokensRow { ClassNames: { Count: > 0 } all }, ..])
        {
            return new LabelMap([.. all]);
        }
        string[] names = [.. rows.SelectMany(row => Tagged(row).Tags).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return new LabelMap(names.All(name => Number(name) is not null) ? Sorted(rows[0].Place.File, names) : names);
    }

    /// <summary>Finds the classes of texts that may have several: the names that occur, sorted as those of <see cref="From"/>; rows of 0
    /// and 1 for each class only tell their number.</summary>
    /// <exception cref="BadInputException">A row has no list of classes, or no row has a class.</exception>
    private static LabelMap OfSeveral(IReadOnlyList<DataRow> rows)
    {
        var first = Several(rows[0]);
        if (first.ClassNames is { Count: > 0 } all)
        {
            return new LabelMap([.. all]);
        }
        if (first.Values is { } values)
        {
            return new LabelMap(TaskSpec.Placeholders(values.Count));
        }
        string[] names = [.. rows.SelectMany(row => Several(row).Labels).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return names.Length == 0 ? throw new BadInputException($"{rows[0].Place.File}: no row has a class, expected some names in \"labels\".")
            : new LabelMap(names.All(name => Number(name) is not null) ? Sorted(rows[0].Place.File, names) : names);
    }

    /// <summary>1 for each class of a row, 0 for the others.</summary>
    /// <exception cref="BadInputException">A class is not in the map, or the row has another number of classes.</exception>
    internal float[] FlagsOf(LabelsRow row)
    {
        float[] flags = new float[Count];
        if (row.Values is { } values)
        {
            return values.Count == Count ? [.. values] : throw row.Place.Error(
                $"\"labels\" holds {values.Count} numbers, but there are {Count} classes; give 0 or 1 for each, or names");
        }
        foreach (string label in row.Labels)
        {
            flags[IdOf(row.Place, label)] = 1;
        }
        return flags;
    }

    /// <summary>The class index of a row.</summary>
    /// <exception cref="BadInputException">The class is not in the map.</exception>
    internal int IdOf(LabelledRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return IdOf(row.Place, row.Label);
    }

    /// <summary>The class index of a label or tag.</summary>
    /// <exception cref="BadInputException">The class is not in the map.</exception>
    internal int IdOf(RowPlace place, string label) => _ids.TryGetValue(label, out int id) || IsIndex(label, out id) ? id
        : throw place.Error($"the label \"{label}\" is unknown, expected one of {string.Join(", ", Names.Take(20))}");

    // The labels of a data set are often the indices of the classes that the model names.
    private bool IsIndex(string label, out int id) =>
        NumberText.TryDigits(label, out id) && id < Count && !Names.Any(name => Number(name) is not null);

    /// <summary>Sorts numbers as numbers. Two spellings of one number are an error: they would be two classes.</summary>
    private static string[] Sorted(string file, string[] names)
    {
        string[] sorted = [.. names.OrderBy(name => Number(name))];
        for (int i = 1; i < sorted.Length; i++)
        {
            if (Number(sorted[i]) == Number(sorted[i - 1]))
            {
                throw new BadInputException(
                    $"{file}: the labels \"{sorted[i - 1]}\" and \"{sorted[i]}\" are one number in two spellings; write it in one.");
            }
        }
        return sorted;
    }

    private static int? Number(string name) => NumberText.TryWhole(name, out int number) ? number : null;

    internal static LabelledRow Labelled(DataRow row) =>
        row as LabelledRow ?? throw row.Place.Error($"the row has {(row is LabelsRow ? RowForm.NameOf(row) : "no label")}, expected "
            + "{\"text\", \"label\"} in every row for classification");

    /// <summary>A picture with its class.</summary>
    /// <exception cref="BadInputException">The row is no picture, or has no class.</exception>
    internal static MediaRow OfMedia(DataRow row) =>
        row is MediaRow picture && picture.RequireWords() is { Label.Length: > 0 } media ? media : throw row.Place.Error(
        $"the row has {RowForm.NameOf(row)}, expected {{\"image\", \"label\"}}, a picture and its class, in every row");

    internal static LabelsRow Several(DataRow row) => row as LabelsRow ?? throw row.Place.Error(
        $"the row has {RowForm.NameOf(row)}, expected {{\"text\", \"labels\"}} in every row where a text may have several classes");

    internal static TokensRow Tagged(DataRow row) => row is TokensRow { Tags.Count: > 0 } tagged ? tagged : throw row.Place.Error(
        $"the row has {RowForm.NameOf(row)}, expected {{\"tokens\", \"tags\"}} in every row for token classification");
}

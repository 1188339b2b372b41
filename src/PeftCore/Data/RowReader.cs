namespace PeftCore.Data;

/// <summary>Collects the rows of one file and checks them against each other: labels of two types, rows of different forms.</summary>
internal sealed class RowReader(string path, ReadOptions options)
{
    private RowPlace? _numberLabel;
    private RowPlace? _digitsLabel;

    public List<DataRow> Rows { get; } = [];

    public ReadOptions Options => options;

    /// <summary>Reads a row.</summary>
    public void Add(RowPlace place, IEnumerable<(string Name, FieldValue Value)> fields)
    {
        var named = options.Rename(place, fields);
        var row = RowForm.Read(place, named);
        if (row is LabelledRow labelled)
        {
            CheckType(labelled, named["label"].IsNumber);
        }
        Rows.Add(row);
    }

    /// <summary>Adds a warning about the file.</summary>
    public void Warn(string sentence) => options.Warnings?.Add($"{path}: {sentence}.");

    /// <summary>All rows of the file.</summary>
    public List<DataRow> Finish()
    {
        var forms = Rows.GroupBy(row => row.GetType())
            .Select(form => (Name: RowForm.NameOf(form.First()), Count: form.Count(), First: form.First().Place.Line)).ToList();
        if (forms.Count > 1)
        {
            Warn($"the rows have different forms: {string.Join(", ", forms.Select(form => $"{form.Count} with {form.Name} (the first on " +
                $"line {form.First})"))}");
        }
        return Rows;
    }

    /// <summary>Refuses numbers and digits in quotes in one file: whether 1 and "1" are one class is ambiguous.</summary>
    private void CheckType(LabelledRow row, bool isNumber)
    {
        if (isNumber)
        {
            _numberLabel ??= row.Place;
        }
        else if (NumberText.TryWhole(row.Label, out long _))
        {
            _digitsLabel ??= row.Place;
        }
        if (_numberLabel is { } number && _digitsLabel is { } digits)
        {
            throw row.Place.Error($"\"label\" is a {(isNumber ? "number here and a text of digits" : "text of digits here and a number")} "
                + $"on line {(isNumber ? digits : number).Line}; write all labels as numbers or all as texts");
        }
    }
}

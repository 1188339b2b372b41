namespace PeftCore.Data;

/// <summary>Collects the rows of one file and checks them against each other: labels of two types, rows of different forms.</summary>
internal sealed class RowReader(string path, ReadOptions options)
{
    private RowPlace? _numberLabel;
    private RowPlace? _digitsLabel;
    private readonly Dictionary<string, LabelledRow> _spaced = new(StringComparer.Ordinal);
    private readonly HashSet<string> _columns = new(StringComparer.Ordinal);

    public List<DataRow> Rows { get; } = [];

    public ReadOptions Options => options;

    /// <summary>Reads a row.</summary>
    public void Add(RowPlace place, IEnumerable<(string Name, FieldValue Value)> fields)
    {
        (string Name, FieldValue Value)[] all = [.. fields];
        var named = options.Rename(place, all);
        if (options.Fields.Count > 0)
        {
            string[] names = [.. all.Select(field => field.Name)];
            _columns.UnionWith(names);
            if (RowForm.ProblemOf(named.Keys) is not null)
            {
                options.CheckColumns(place, names); // A name that is not there explains why the row has no form.
            }
        }
        var row = RowForm.Read(place, named, options);
        if (row is LabelledRow labelled)
        {
            CheckType(labelled, named["label"].IsNumber);
        }
        var kept = options.Named(row);
        if (options.LabelSpaces && (row, kept) is (LabelledRow before, LabelledRow after))
        {
            CheckSpaces(before, after.Label);
        }
        Rows.Add(kept);
    }

    /// <summary>Adds a warning about the file.</summary>
    public void Warn(string sentence) => options.Warnings?.Add($"{path}: {sentence}.");

    /// <summary>All rows of the file.</summary>
    public List<DataRow> Finish()
    {
        if (Rows.Count > 0)
        {
            options.CheckColumns(Rows[0].Place, _columns);
        }
        var several = Rows.OfType<QuestionRow>().Where(row => row.SeveralPlaces).ToList();
        if (several.Count > 0)
        {
            Warn($"in {several.Count} of {Rows.Count} rows the answer is in the context several times (the first on " +
                $"{several[0].Place.Unit} {several[0].Place.Line}); the first place was taken");
        }
        var forms = Rows.GroupBy(row => row.GetType())
            .Select(form => (Name: RowForm.NameOf(form.First()), Count: form.Count(), form.First().Place)).ToList();
        if (forms.Count > 1)
        {
            Warn($"the rows have different forms: {string.Join(", ", forms.Select(form => $"{form.Count} with {form.Name} (the first on " +
                $"{form.Place.Unit} {form.Place.Line})"))}");
        }
        return Rows;
    }

    /// <summary>Refuses two labels that are one without underscores: they would be one class.</summary>
    private void CheckSpaces(LabelledRow row, string label)
    {
        if (options.LabelNames.Count == 0 && !_spaced.TryAdd(label, row) && _spaced[label].Label != row.Label)
        {
            throw row.Place.Error($"the labels \"{_spaced[label].Label}\" (on {row.Place.Unit} {_spaced[label].Place.Line}) and "
                + $"\"{row.Label}\" are both \"{label}\" with spaces for underscores; keep the underscores, or give them names");
        }
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
                + $"on {row.Place.Unit} {(isNumber ? digits : number).Line}; write all labels as numbers or all as texts");
        }
    }
}

namespace PeftCore.Data;

/// <summary>Reads rows from a csv file whose first line names the columns.</summary>
internal static class CsvRows
{
    private const string Delimiters = ",;\t|";

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="usual">The delimiter of the file's ending. If the header uses another one, the file is read with that, and a warning
    /// says so.</param>
    /// <param name="options">How rows are read.</param>
    public static List<DataRow> Read(string path, char usual, ReadOptions options)
    {
        string text = DataBytes.ReadText(path);
        var reader = new RowReader(path, options);
        char delimiter = DelimiterOf(path, text, usual, options);
        var csv = new CsvParser(path, text, delimiter);
        csv.TryRead(out var first, out var header);
        CheckHeader(first, header, delimiter, options);
        if (delimiter != usual)
        {
            reader.Warn($"the columns are divided by {Word(delimiter)}, not by {Word(usual)}; they were read so");
        }
        while (csv.TryRead(out var place, out var fields))
        {
            if (fields.Count != header.Count)
            {
                throw place.Error(
                    $"the row has {fields.Count} fields, but the header names {header.Count} " +
                    $"({string.Join(", ", header)}){Trailing(header, fields, delimiter)}");
            }

            reader.Add(place, header.Zip(fields, (name, value) => (name, new FieldValue(value))));
        }
        return reader.Rows.Count > 0 ? reader.Finish()
            : throw new BadInputException(
            $"{path}: no row follows the first line, expected a header with the columns of {RowForm.Accepted}, and rows.");
    }

    /// <summary>The delimiter: the usual one, unless the first line has one column with it and several with another.</summary>
    private static char DelimiterOf(string path, string text, char usual, ReadOptions options)
    {
        if (HeaderOf(path, text, usual) is not [var only]
            || RowForm.ProblemOf([options.Fields.GetValueOrDefault(only, only) ?? ""]) is null)
        {
            return usual;
        }
        foreach (char other in Delimiters.Where(other => other != usual))
        {
            if (HeaderOf(path, text, other) is { Count: > 1 } header && header.TrueForAll(name => name.Length < 64))
            {
                return other;
            }
        }
        return usual;
    }

    private static List<string> HeaderOf(string path, string text, char delimiter)
    {
        try
        {
            new CsvParser(path, text, delimiter).TryRead(out _, out var header);
            return header;
        }
        catch (BadInputException) when (delimiter != ',')
        {
            return []; // The quotes are valid with the usual delimiter only.
        }
    }

    private static void CheckHeader(RowPlace first, List<string> header, char delimiter, ReadOptions options)
    {
        int nameless = header.FindIndex(name => name.Length == 0);
        string[] names =
            [.. options.Rename(first, header.Where((_, column) => column != nameless).Select(name => (name, new FieldValue(name)))).Keys];
        if (nameless >= 0 && !options.Fields.ContainsKey(""))
        {
            throw first.Error($"column {nameless + 1} of {header.Count} has no name" + (nameless == 0
                ? "; if it numbers the rows, leave it out, in Python with df.to_csv(path, index=False)"
                : nameless == header.Count - 1 ? $"; leave out {Word(delimiter)} at the end of the line" : ""));
        }
        options.CheckColumns(first, header);
        if (RowForm.ProblemOf(names) is { } problem)
        {
            throw first.Error(
                $"{problem}{options.Dropped(problem)}; the first line names the columns, here " +
                $"{string.Join(", ", header.Take(12).Select(Short))}{(header.Count > 12 ? ", …" : "")}");
        }
    }

    private static string Trailing(List<string> header, List<string> fields, char delimiter) =>
        fields.Count == header.Count + 1 && fields[^1].Length == 0 ? $"; leave out {Word(delimiter)} at the end of the line" : "";

    private static string Short(string name) => name.Length > 40 ? $"\"{name[..40]}…\"" : $"\"{name}\"";

    private static string Word(char delimiter) => delimiter switch
    {
        ',' => "commas",
        ';' => "semicolons",
        '\t' => "tabs",
        _ => "bars",
    };
}

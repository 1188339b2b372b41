namespace PeftCore.Data;

/// <summary>Reads rows from a csv file whose first line names the columns.</summary>
internal static class CsvRows
{
    public static List<DataRow> Read(string path, ReadOptions options)
    {
        var csv = new CsvParser(path, DataBytes.ReadText(path));
        csv.TryRead(out RowPlace first, out List<string> header);
        RowForm.Check(first, options.Rename(first, header.Select(name => (name, new FieldValue(name)))).Keys);
        var rows = new List<DataRow>();
        while (csv.TryRead(out RowPlace place, out List<string> fields))
        {
            if (fields.Count != header.Count)
                throw place.Error($"the row has {fields.Count} fields, but the header names {header.Count} ({string.Join(", ", header)})");
            rows.Add(RowForm.Read(place, options.Rename(place, header.Zip(fields, (name, value) => (name, new FieldValue(value))))));
        }
        return rows.Count > 0 ? rows
            : throw new BadInputException($"{path}: no row follows the first line, expected a header with the columns of {RowForm.Accepted}, and rows.");
    }
}

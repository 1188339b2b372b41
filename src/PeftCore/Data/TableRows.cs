using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Reads rows from a format that the caller brings a reader for, such as Parquet in the tool.</summary>
internal static class TableRows
{
    public static List<DataRow> Read(string path, Func<string, IEnumerable<JsonElement>> read, ReadOptions options)
    {
        var reader = new RowReader(path, options);
        int number = 0;
        foreach (var row in Given.Result(read(path), $"{path}: the reader of {Path.GetExtension(path)} files"))
        {
            var place = new RowPlace(path, ++number, "row");
            if (row.ValueKind != JsonValueKind.Object)
            {
                throw place.Error($"the reader of {Path.GetExtension(path)} files returned {FieldValue.Describe(row)}, expected an object");
            }
            reader.Add(place, row.EnumerateObject().Select(field => (field.Name, new FieldValue(field.Value))));
        }
        return number > 0 ? reader.Finish() : throw new BadInputException($"{path}: the file has no rows, expected {RowForm.Accepted}.");
    }
}

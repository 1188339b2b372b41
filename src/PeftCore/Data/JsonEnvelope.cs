using System.Text.Json;

namespace PeftCore.Data;

/// <summary>An object that holds the rows of a file in one of its fields: {"data": [rows], "version": "1.1"}.</summary>
/// <param name="Name">The field.</param>
/// <param name="Place">File and line of its list.</param>
/// <param name="List">The list.</param>
/// <param name="Others">The names of the other fields.</param>
internal sealed record JsonEnvelope(string Name, RowPlace Place, ReadOnlyMemory<byte> List, IReadOnlyList<string> Others)
{
    /// <summary>Finds the list of rows in a file of one object; null if the value is a row, not an object, or invalid.</summary>
    /// <exception cref="BadInputException">There are several lists, or a table by columns.</exception>
    public static JsonEnvelope? Of(JsonPiece file, ReadOptions options)
    {
        try
        {
            using var document = StrictJson.Parse(file.Json, JsonLayout.MaxDepth);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return null;
            }
            JsonProperty[] fields = [.. document.RootElement.EnumerateObject()];
            string[] names = [.. fields.Select(field => field.Name)];
            string[] lists = [.. fields.Where(field => IsRows(field.Value) && !RowForm.IsField(field.Name)).Select(field => field.Name)];
            if (RowForm.ProblemOf([.. names.Select(name => options.Fields.GetValueOrDefault(name, name)).OfType<string>()]) is null)
            {
                return null;
            }
            return lists switch
            {
                [var name] => Slice(file, name, [.. names.Where(other => other != name)]),
                [] when fields.Length > 0 && fields.All(field => IsColumn(field.Value)) =>
                    throw file.Place.Error($"the file is one object with the fields {Named(names)}, a table by columns; "
                    + "write one object a row, in Python with df.to_json(path, orient=\"records\", lines=True)"),
                [] => null,
                _ => throw file.Place.Error(
                    $"the file is one object with several lists of rows ({Named(lists)}); write each into a file of its own"),
            };
        }
        // The rows are read again one by one, with an error message for an invalid one.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsRows(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value.EnumerateArray()
        .All(item => item.ValueKind == JsonValueKind.Object);

    private static bool IsColumn(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0);

    private static JsonEnvelope Slice(JsonPiece file, string name, string[] others)
    {
        var reader = new Utf8JsonReader(file.Json.Span, new JsonReaderOptions { MaxDepth = JsonLayout.MaxDepth });
        reader.Read();
        while (reader.Read() && !reader.ValueTextEquals(name))
        {
            reader.Skip();
        }
        reader.Read();
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        var place = file.Place with { Line = file.Place.Line + file.Json.Span[..start].Count((byte)'\n') };
        return new JsonEnvelope(name, place, file.Json[start..(int)reader.BytesConsumed], others);
    }

    private static string Named(string[] names) => string.Join(", ", names.Take(8)) + (names.Length > 8 ? ", …" : "");
}

using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Reads rows from JSON: one object a line (.jsonl), or one list of objects (.json).</summary>
internal static class JsonRows
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    public static List<DataRow> ReadLines(string path, ReadOptions options)
    {
        ReadOnlyMemory<byte> rest = DataBytes.Read(path);
        var rows = new List<DataRow>();
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.Span.IndexOf((byte)'\n');
            ReadOnlyMemory<byte> text = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.IndexOfAnyExcept(" \t\r"u8) >= 0)
                rows.Add(Parse(new RowPlace(path, line), text, options));
        }
        return rows;
    }

    public static List<DataRow> ReadList(string path, ReadOptions options)
    {
        ReadOnlyMemory<byte> bytes = DataBytes.Read(path);
        byte first = bytes.Span[bytes.Span.IndexOfAnyExcept(" \t\r\n"u8)];
        if (first == (byte)'{')
            return ReadLines(path, options); // Many files called .json hold one object a line.
        if (first != (byte)'[')
            throw new RowPlace(path, 1).Error($"expected a list of rows, each {RowForm.Accepted}");
        var rows = new List<DataRow>();
        var place = new RowPlace(path, 1);
        try
        {
            ReadElements(bytes, ref place, rows, options);
        }
        catch (JsonException e)
        {
            throw (place with { Line = (int)(e.LineNumber + 1 ?? place.Line) }).Error($"not valid JSON: {Reason(e)}", e);
        }
        return rows.Count > 0 ? rows : throw new BadInputException($"{path}: the list is empty, expected rows of {RowForm.Accepted}.");
    }

    private static void ReadElements(ReadOnlyMemory<byte> bytes, ref RowPlace place, List<DataRow> rows, ReadOptions options)
    {
        var reader = new Utf8JsonReader(bytes.Span, new JsonReaderOptions { MaxDepth = 64 });
        int counted = 0;
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            int start = (int)reader.TokenStartIndex;
            place = place with { Line = place.Line + bytes.Span[counted..start].Count((byte)'\n') };
            counted = start;
            reader.Skip();
            rows.Add(Parse(place, bytes[start..(int)reader.BytesConsumed], options));
        }
        reader.Read(); // Only white space may follow: anything else throws here.
    }

    private static DataRow Parse(RowPlace place, ReadOnlyMemory<byte> json, ReadOptions options)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw place.Error($"expected an object, one of {RowForm.Accepted}");
            var fields = options.Rename(place, document.RootElement.EnumerateObject().Select(p => (p.Name, new FieldValue(p.Value))));
            return RowForm.Read(place, fields);
        }
        // Half a surrogate pair, written as an escape, is reported as InvalidOperationException when its string is asked for.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw place.Error($"not valid JSON: {Reason(e)}", e);
        }
    }

    private static string Reason(Exception e)
    {
        int cut = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (cut < 0 ? e.Message : e.Message[..cut]).TrimEnd('.', ' ');
    }
}

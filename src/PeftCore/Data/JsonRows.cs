using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Reads rows from JSON: one object a line (.jsonl), or one list of objects (.json). A file in the other layout is read too, with
/// a warning.</summary>
internal static class JsonRows
{
    /// <summary>Reads a .jsonl file.</summary>
    public static List<DataRow> ReadLines(string path, ReadOptions options)
    {
        var bytes = DataBytes.Read(path);
        var reader = new RowReader(path, options);
        if (First(bytes) != (byte)'[')
        {
            return ReadObjects(path, bytes, reader);
        }
        ReadList(new RowPlace(path, 1), bytes, reader);
        reader.Warn("the file is one list of rows, not one object a line; it was read as a list");
        return reader.Finish();
    }

    /// <summary>Reads a .json file.</summary>
    public static List<DataRow> ReadList(string path, ReadOptions options)
    {
        var bytes = DataBytes.Read(path);
        var reader = new RowReader(path, options);
        switch (First(bytes))
        {
            case (byte)'{':
                return ReadObjects(path, bytes, reader); // Many .json files hold one object a line.
            case (byte)'[':
                ReadList(new RowPlace(path, 1), bytes, reader);
                return reader.Finish();
            default:
                throw new RowPlace(path, 1).Error($"expected a list of rows, each {RowForm.Accepted}");
        }
    }

    private static byte First(ReadOnlyMemory<byte> bytes) => bytes.Span[bytes.Span.IndexOfAnyExcept(" \t\r\n"u8)];

    private static List<DataRow> ReadObjects(string path, ReadOnlyMemory<byte> bytes, RowReader reader)
    {
        var pieces = JsonLayout.Lines(path, bytes);
        if (pieces is [var only] && TryReadEnvelope(only, reader))
        {
            return reader.Finish();
        }
        try
        {
            pieces.ForEach(piece => Parse(piece, reader));
        }
        catch (BadInputException e) when (e.InnerException is JsonException && JsonLayout.Values(path, bytes) is { } values)
        {
            return ReadSpread(path, values, options: reader.Options);
        }
        return reader.Finish();
    }

    /// <summary>Reads objects that span several lines each.</summary>
    private static List<DataRow> ReadSpread(string path, List<JsonPiece> values, ReadOptions options)
    {
        var reader = new RowReader(path, options);
        if (values is not [var only])
        {
            reader.Warn($"the {values.Count} objects are not one a line; they were read as they stand");
        }
        else if (TryReadEnvelope(only, reader))
        {
            return reader.Finish();
        }
        else
        {
            reader.Warn("the file is one object, not one object a line; it was read as one row");
        }
        values.ForEach(value => Parse(value, reader));
        return reader.Finish();
    }

    /// <summary>Reads {"data": [rows]}: a file of one object that is not a row and has one list of objects, in a field of any
    /// name.</summary>
    private static bool TryReadEnvelope(JsonPiece file, RowReader reader)
    {
        if (JsonEnvelope.Of(file, reader.Options) is not { } envelope)
        {
            return false;
        }
        ReadList(envelope.Place, envelope.List, reader);
        string rest = envelope.Others.Count == 0 ? "" : $"; its other fields ({string.Join(", ", envelope.Others)}) were left out";
        reader.Warn($"the file is one object, not one object a line; its rows were read from the list in \"{envelope.Name}\"{rest}");
        return true;
    }

    private static void ReadList(RowPlace place, ReadOnlyMemory<byte> bytes, RowReader rows)
    {
        try
        {
            ReadElements(bytes, ref place, rows);
        }
        catch (JsonException e)
        {
            throw (place with { Line = (int)(e.LineNumber + 1 ?? place.Line) }).Error($"not valid JSON: {JsonLayout.Reason(e)}", e);
        }
        if (rows.Rows.Count == 0)
        {
            throw new BadInputException($"{place.File}: the list is empty, expected rows of {RowForm.Accepted}.");
        }
    }

    private static void ReadElements(ReadOnlyMemory<byte> bytes, ref RowPlace place, RowReader rows)
    {
        var reader = new Utf8JsonReader(bytes.Span, new JsonReaderOptions { MaxDepth = JsonLayout.MaxDepth });
        int counted = 0;
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            int start = (int)reader.TokenStartIndex;
            place = place with { Line = place.Line + bytes.Span[counted..start].Count((byte)'\n') };
            counted = start;
            reader.Skip();
            Parse(new JsonPiece(place, bytes[start..(int)reader.BytesConsumed]), rows);
        }
        reader.Read(); // Only white space may follow: anything else throws here.
    }

    private static void Parse(JsonPiece piece, RowReader rows)
    {
        try
        {
            using var document = StrictJson.Parse(piece.Json, JsonLayout.MaxDepth);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw piece.Place.Error($"expected an object, one of {RowForm.Accepted}");
            }
            rows.Add(piece.Place, document.RootElement.EnumerateObject().Select(p => (p.Name, new FieldValue(p.Value))));
        }
        // Reading a string with an escaped half of a surrogate pair throws InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw piece.Place.Error($"not valid JSON: {JsonLayout.Reason(e)}{JsonLayout.Hint(e, piece.Json.Span)}", e);
        }
    }
}

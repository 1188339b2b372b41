using System.Text.Json;

namespace PeftCore.Data;

/// <summary>A value of a JSON file, and its file and line.</summary>
internal readonly record struct JsonPiece(RowPlace Place, ReadOnlyMemory<byte> Json);

/// <summary>Finds the values of a file with one value a line.</summary>
internal static class JsonLayout
{
    /// <summary>The deepest nesting a row may have.</summary>
    public const int MaxDepth = 64;

    /// <summary>The lines that are not blank.</summary>
    public static List<JsonPiece> Lines(string path, ReadOnlyMemory<byte> rest)
    {
        var lines = new List<JsonPiece>();
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.Span.IndexOf((byte)'\n');
            var text = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.IndexOfAnyExcept(" \t\r"u8) >= 0)
            {
                lines.Add(new JsonPiece(new RowPlace(path, line), text));
            }
        }
        return lines;
    }

    /// <summary>The objects of a file whose objects span several lines each, no two of them on one line; null for any other
    /// layout.</summary>
    public static List<JsonPiece>? Values(string path, ReadOnlyMemory<byte> bytes)
    {
        var values = new List<JsonPiece>();
        var reader = new Utf8JsonReader(bytes.Span, new JsonReaderOptions { MaxDepth = MaxDepth, AllowMultipleValues = true });
        int end = 0, line = 1;
        try
        {
            while (reader.Read())
            {
                int start = (int)reader.TokenStartIndex;
                if (reader.TokenType != JsonTokenType.StartObject
                    || (end > 0 && bytes.Span[end..start].IndexOfAny((byte)'\n', (byte)'\r') < 0))
                {
                    return null;
                }
                line += LineEnds(bytes.Span[end..start]);
                reader.Skip();
                end = (int)reader.BytesConsumed;
                values.Add(new JsonPiece(new RowPlace(path, line), bytes[start..end]));
                line += LineEnds(bytes.Span[start..end]);
            }
        }
        catch (JsonException)
        {
            return null;
        }
        return values;
    }

    /// <summary>The parser's message without its line number.</summary>
    public static string Reason(Exception e)
    {
        int cut = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (cut < 0 ? e.Message : e.Message[..cut]).TrimEnd('.', ' ');
    }

    /// <summary>How to fix a common mistake; empty for any other error.</summary>
    public static string Hint(Exception e, ReadOnlySpan<byte> json) => e.Message switch
    {
        var text when text.StartsWith("','", StringComparison.Ordinal) && json.TrimEnd(" \t\r"u8).EndsWith(","u8) =>
            "; where each line is an object, no comma follows it",
        var text when text.StartsWith("'N' is an invalid start", StringComparison.Ordinal)
            || text.StartsWith("'I' is an invalid start", StringComparison.Ordinal) =>
            "; JSON has no NaN and no Infinity",
        var text when text.StartsWith("''' is an invalid start", StringComparison.Ordinal) =>
            "; names and texts take double quotes, as Python's json.dumps writes them",
        _ => "",
    };

    /// <summary>Whether a text begins like a row of JSON.</summary>
    public static bool LooksLikeRow(ReadOnlySpan<char> text) =>
        (text.StartsWith("{") && text[1..].TrimStart().StartsWith("\"")) || (text.StartsWith("[") && text[1..].TrimStart().StartsWith("{"));

    // Old Macintosh files end lines with CR alone.
    private static int LineEnds(ReadOnlySpan<byte> bytes) => bytes.Contains((byte)'\n') ? bytes.Count((byte)'\n') : bytes.Count((byte)'\r');
}

using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore;

/// <summary>Parses JSON in which no object has a name twice: readers differ in which of the two values they take (RFC 8259, section 4).
/// System.Text.Json has this check (AllowDuplicateProperties), but it draws a seed from OpenSSL and ends the process where there is
/// none.</summary>
internal static class StrictJson
{
    /// <summary>Parses a document.</summary>
    /// <exception cref="JsonException">The text is not valid JSON, or an object has a name twice.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, int maxDepth = 64)
    {
        var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
        try
        {
            CheckNames(utf8.Span, maxDepth);
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>Parses a document.</summary>
    /// <exception cref="JsonException">The text is not valid JSON, or an object has a name twice.</exception>
    public static JsonDocument Parse(string text) => Parse(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Parses a value that can be changed; null for "null".</summary>
    /// <exception cref="JsonException">The text is not valid JSON, or an object has a name twice.</exception>
    public static JsonNode? ParseNode(string text)
    {
        Parse(text).Dispose();
        return JsonNode.Parse(text);
    }

    private static void CheckNames(ReadOnlySpan<byte> utf8, int maxDepth)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth });
        // The names of each open object, outermost first; kept for the next object of that depth.
        var names = new List<HashSet<string>>();
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartObject)
            {
                while (names.Count <= reader.CurrentDepth)
                {
                    names.Add([]);
                }
                names[reader.CurrentDepth].Clear();
            }
            else if (reader.TokenType == JsonTokenType.PropertyName && !names[reader.CurrentDepth - 1].Add(Name(reader)))
            {
                throw new JsonException($"The name \"{Name(reader)}\" stands twice in one object.");
            }
        }
    }

    private static string Name(in Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("A name in an object is not valid Unicode.", e);
        }
    }
}

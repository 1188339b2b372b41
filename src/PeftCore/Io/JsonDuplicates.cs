using System.Text.Json;

namespace PeftCore.Io;

/// <summary>Handles duplicate names in a JSON object. Readers differ in which value they take (RFC 8259, section 4), so different values
/// are an error; equal values are one.</summary>
internal static class JsonDuplicates
{
    /// <summary>Parses a text and removes duplicates with equal values.</summary>
    /// <exception cref="BadInputException">A name is duplicated with different values.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, string source, int maxDepth)
    {
        using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            Write(document.RootElement, writer, source, "");
        }
        return JsonDocument.Parse(stream.ToArray(), new JsonDocumentOptions { MaxDepth = maxDepth });
    }

    private static void Write(JsonElement value, Utf8JsonWriter writer, string source, string prefix)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                var seen = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
                foreach (var field in value.EnumerateObject())
                {
                    string path = prefix + field.Name;
                    if (seen.TryAdd(field.Name, field.Value))
                    {
                        writer.WritePropertyName(field.Name);
                        Write(field.Value, writer, source, path + ".");
                    }
                    else if (!JsonElement.DeepEquals(seen[field.Name], field.Value))
                    {
                        throw new BadInputException($"{source}: field \"{path}\" stands twice with different values, " +
                            $"{ConfigReader.Describe(seen[field.Name])} and {ConfigReader.Describe(field.Value)}; keep one of them.");
                    }
                }
                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    Write(item, writer, source, prefix);
                }
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(value.GetRawText(), skipInputValidation: true);
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }
}

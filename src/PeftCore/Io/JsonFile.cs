using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Io;

/// <summary>Reads JSON files, with an error message for every fault, and writes them atomically.</summary>
public static class JsonFile
{
    private const long MaxBytes = 256L << 20;
    private const int MaxDepth = 64;
    private static readonly JsonWriterOptions Indented = new()
    {
        Indented = true,
        IndentSize = 2,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Reads and parses a file. A field that is duplicated with different values is an error.</summary>
    /// <exception cref="BadInputException">The file cannot be read or is not JSON.</exception>
    public static JsonDocument Read(string path) => Parse(ReadBytes(path), path);

    /// <summary>Writes a value with an indent of two, as Hugging Face does.</summary>
    /// <exception cref="BadInputException">The path is not writable; the old file is intact.</exception>
    public static void Write(string path, JsonNode value)
    {
        ArgumentNullException.ThrowIfNull(value);
        AtomicFile.Write(path, stream =>
        {
            using (var writer = new Utf8JsonWriter(stream, Indented))
            {
                value.WriteTo(writer);
            }

            stream.WriteByte((byte)'\n');
        });
    }

    /// <summary>A value as a file without indents.</summary>
    internal static byte[] Bytes(JsonNode value)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = Indented.Encoder }))
        {
            value.WriteTo(writer);
        }
        return buffer.WrittenSpan.ToArray();
    }

    internal static JsonDocument Parse(ReadOnlyMemory<byte> utf8, string source)
    {
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        if (utf8.Span.StartsWith(mark))
        {
            utf8 = utf8[mark.Length..];
        }

        if (!System.Text.Unicode.Utf8.IsValid(utf8.Span))
        {
            throw new BadInputException($"{source}: the file is not valid UTF-8; save it as UTF-8.");
        }

        try
        {
            var document = ParseOnce(utf8, source);
            // The parser decodes escapes on access; half a surrogate pair would fail there, far from here.
            if (utf8.Span.IndexOf("\\u"u8) >= 0)
            {
                CheckStrings(document.RootElement);
            }

            return document;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BadInputException($"{source}: not valid JSON{Where(e)}: {Reason(e)}.", e);
        }
    }

    private static JsonDocument ParseOnce(ReadOnlyMemory<byte> utf8, string source)
    {
        try
        {
            return StrictJson.Parse(utf8, MaxDepth);
        }
        catch (JsonException)
        {
            // The second parse fails with the same error, or finds only duplicate names.
            return JsonDuplicates.Parse(utf8, source, MaxDepth);
        }
    }

    internal static byte[] ReadBytes(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            var info = new FileInfo(path);
            info = info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info;
            if (info.Length > MaxBytes)
            {
                throw new BadInputException(
                    $"{path}: the file has {info.Length} bytes, more than any JSON file read here may have ({MaxBytes}).");
            }

            if (info.Length == 0)
            {
                throw new BadInputException($"{path}: the file is empty, expected JSON.");
            }

            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
    }

    private static void CheckStrings(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    CheckStrings(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var field in value.EnumerateObject())
                {
                    _ = field.Name;
                    CheckStrings(field.Value);
                }
                break;
        }
    }

    private static string Where(Exception e) =>
        e is JsonException { LineNumber: long line, BytePositionInLine: long column } ? $" at line {line + 1}, column {column + 1}" : "";

    // The parser appends its zero-based position; the message has the one-based one already.
    private static string Reason(Exception e)
    {
        int cut = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        string reason = cut < 0 ? e.Message : e.Message[..cut];
        foreach (string end in (string[])[" which is not supported in this mode", " Change the reader options", " Cannot read next"])
        {
            cut = reason.IndexOf(end, StringComparison.Ordinal);
            reason = cut < 0 ? reason : reason[..cut];
        }
        return reason.TrimEnd('.', ' ');
    }
}

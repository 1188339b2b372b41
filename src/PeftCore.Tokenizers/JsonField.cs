using System.Text;
using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>A value in a JSON file with its path, so that every error message can name it.</summary>
internal readonly struct JsonField(string file, string path, JsonElement element)
{
    public string File => file;

    public string Path => path;

    public JsonElement Element => element;

    public bool IsNull => element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    /// <summary>Reads a whole JSON file and hands its root to <paramref name="read"/>.</summary>
    public static T ReadFile<T>(string file, Func<JsonField, T> read) => ReadBytes(file, Content(file), read);

    /// <summary>The bytes of a file.</summary>
    public static byte[] Content(string file)
    {
        try
        {
            return System.IO.File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{file} cannot be read ({e.Message}); give the path of a readable file.", e);
        }
    }

    /// <summary>Reads JSON from memory; error messages call it <paramref name="file"/>.</summary>
    public static T ReadBytes<T>(string file, ReadOnlyMemory<byte> bytes, Func<JsonField, T> read)
    {
        try
        {
            int start = bytes.Span.StartsWith(System.Text.Encoding.UTF8.Preamble) ? 3 : 0;
            using var document = StrictJson.Parse(bytes[start..]);
            return read(new JsonField(file, "", document.RootElement));
        }
        catch (JsonException e)
        {
            throw new BadInputException($"{file} is not valid JSON: {e.Message} Get the file again, it may be cut short.", e);
        }
        catch (InvalidOperationException e)
        {
            // System.Text.Json finds bad UTF-8 and broken \u escapes only when a string is read.
            throw new BadInputException($"{file} holds a string that is not valid Unicode: {e.Message} Get the file again.", e);
        }
    }

    public JsonField Child(string name, JsonElement child) => new(file, path.Length == 0 ? name : $"{path}.{name}", child);

    public JsonField Child(int index, JsonElement child) => new(file, $"{path}[{index}]", child);

    /// <summary>A member of this object, whether it is there or not.</summary>
    public JsonField this[string name] =>
        Child(name, AsObject().Element.TryGetProperty(name, out var value) ? value : default);

    public JsonField AsObject() => element.ValueKind == JsonValueKind.Object ? this : throw Bad("an object");

    public string AsString() => element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Bad("a string");

    public string? AsStringOrNull() => IsNull ? null : AsString();

    public bool AsBool(bool? missing = null) => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null or JsonValueKind.Undefined when missing is { } value => value,
        _ => throw Bad("true or false"),
    };

    /// <summary>A number from 0 to the largest a vocabulary can have.</summary>
    public int AsIndex(int? missing = null) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int value) && value >= 0 ? value
        : IsNull && missing is { } other ? other
        : throw Bad("a whole number from 0 to 2147483647");

    public double AsNumber() =>
        element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && double.IsFinite(value) ? value
        : throw Bad("a number");

    /// <summary>A string of exactly one code point.</summary>
    public string AsCharacter()
    {
        string text = AsString();
        return text.Length > 0 && Rune.TryGetRuneAt(text, 0, out var rune) && rune.Utf16SequenceLength == text.Length ? text
            : throw Bad("one character");
    }

    public IEnumerable<JsonField> Items()
    {
        if (element.ValueKind != JsonValueKind.Array)
        {
            throw Bad("a list");
        }

        int index = 0;
        foreach (var item in element.EnumerateArray())
        {
            yield return Child(index++, item);
        }
    }

    public IEnumerable<(string Name, JsonField Value)> Members()
    {
        foreach (var member in AsObject().Element.EnumerateObject())
        {
            yield return (member.Name, Child(member.Name, member.Value));
        }
    }

    /// <summary>Refuses an object with a member that is not named here: what is not understood would change the result unseen.</summary>
    public JsonField Only(params ReadOnlySpan<string> names)
    {
        foreach (var member in AsObject().Element.EnumerateObject())
        {
            if (!names.Contains(member.Name))
            {
                throw new BadInputException($"{file}: {Child(member.Name, default).Path} is not a field that this library knows "
                    + $"(it knows {string.Join(", ", names!)} there); remove it if it has no effect.");
            }
        }

        return this;
    }

    /// <summary>The exception that names this field, its value and what was expected.</summary>
    public BadInputException Bad(string expected) =>
        new($"{file}: {(path.Length == 0 ? "the whole file" : path)} is {Found()}, expected {expected}; correct the file or get it again.");

    private string Found()
    {
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            return "missing";
        }

        string raw = element.GetRawText();
        return raw.Length <= 60 ? raw : $"{raw.AsSpan(0, 60)}…";
    }
}

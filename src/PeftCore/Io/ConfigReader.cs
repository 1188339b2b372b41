using System.Text;
using System.Text.Json;

namespace PeftCore.Io;

/// <summary>Reads the fields of a JSON object strictly: a missing field, a wrong type or a number out of range is a
/// <see cref="BadInputException"/> that names the file, the field, what was found and what was expected. A null field is absent, as in
/// Hugging Face's files.</summary>
public sealed class ConfigReader
{
    private readonly JsonElement _object;
    private readonly string _prefix;

    private ConfigReader(string source, string prefix, JsonElement element) => (Source, _prefix, _object) = (source, prefix, element);

    /// <summary>The file, for error messages.</summary>
    internal string Source { get; }

    /// <summary>The names of the fields, in the order of the file.</summary>
    public IEnumerable<string> Names => _object.EnumerateObject().Select(p => p.Name);

    /// <summary>Opens a file that holds one JSON object.</summary>
    public static ConfigReader Open(string path) => From(JsonFile.ReadBytes(path), path);

    /// <summary>Reads an object from text; error messages name <paramref name="source"/> instead of a file.</summary>
    internal static ConfigReader Parse(string json, string source) => From(Encoding.UTF8.GetBytes(json), source);

    /// <summary>Reads an object that was made from a file's metadata.</summary>
    internal static ConfigReader Of(System.Text.Json.Nodes.JsonObject config, string source) => From(JsonFile.Bytes(config), source);

    /// <summary>Whether a field is present and not null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>The field's JSON value, for fields of several types; null if absent.</summary>
    public JsonElement? Raw(string name) => Find(name);

    /// <summary>An integer; without <paramref name="fallback"/> the field is required.</summary>
    public int Int(string name, int? fallback = null, int min = int.MinValue, int max = int.MaxValue)
    {
        if (Find(name) is not JsonElement value)
        {
            return fallback ?? throw Missing(name, "an integer");
        }
        // Python writes some integers as 16.0.
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == Math.Floor(number)
            && number >= min && number <= max)
        {
            return (int)number;
        }

        throw Wrong(name, value, "an integer" + Range(min, max, int.MinValue, int.MaxValue));
    }

    /// <summary>An integer, or null if absent.</summary>
    internal int? IntOrNull(string name, int min = int.MinValue, int max = int.MaxValue) => Has(name) ? Int(name, null, min, max) : null;

    /// <summary>A finite number; without <paramref name="fallback"/> the field is required.</summary>
    public double Float(string name, double? fallback = null, double min = double.MinValue, double max = double.MaxValue)
    {
        if (Find(name) is not JsonElement value)
        {
            return fallback ?? throw Missing(name, "a number");
        }

        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= min && number <= max)
        {
            return number;
        }

        throw Wrong(name, value, "a number" + Range(min, max, double.MinValue, double.MaxValue));
    }

    /// <summary>A number, or null if absent.</summary>
    internal double? FloatOrNull(string name, double min = double.MinValue, double max = double.MaxValue) =>
        Has(name) ? Float(name, null, min, max) : null;

    /// <summary>A string; without <paramref name="fallback"/> the field is required.</summary>
    public string String(string name, string? fallback = null) => StringOrNull(name) ?? fallback ?? throw Missing(name, "a string");

    /// <summary>A string, or null if absent.</summary>
    public string? StringOrNull(string name) =>
        Find(name) is not JsonElement value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(name, value, "a string");

    /// <summary>A string that must be one of a list.</summary>
    internal string Choice(string name, string? fallback, params ReadOnlySpan<string> allowed)
    {
        string value = String(name, fallback);
        if (allowed.Contains(value))
        {
            return value;
        }

        throw Error(name, $"is \"{value}\", expected one of {string.Join(", ", allowed!)}");
    }

    /// <summary>A boolean; without <paramref name="fallback"/> the field is required.</summary>
    public bool Bool(string name, bool? fallback = null) => Find(name) switch
    {
        null => fallback ?? throw Missing(name, "true or false"),
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        JsonElement other => throw Wrong(name, other, "true or false"),
    };

    /// <summary>A list of strings, or null if absent.</summary>
    internal string[]? StringsOrNull(string name) =>
        List(name, "a list of strings", e => e.ValueKind == JsonValueKind.String ? e.GetString() : null);

    /// <summary>A list of strings; without <paramref name="fallback"/> the field is required.</summary>
    public string[] Strings(string name, string[]? fallback = null) =>
        StringsOrNull(name) ?? fallback ?? throw Missing(name, "a list of strings");

    /// <summary>A list of integers, or null if absent.</summary>
    internal int[]? IntsOrNull(string name) => List<object>(name, "a list of integers",
        e => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out int value) ? value : null)?.Select(v => (int)v).ToArray();

    /// <summary>A list of numbers, or null if absent.</summary>
    internal double[]? FloatsOrNull(string name) => List<object>(name, "a list of numbers",
        e => e.ValueKind == JsonValueKind.Number && e.TryGetDouble(out double v) && double.IsFinite(v) ? v : null)?.Select(v => (double)v)
        .ToArray();

    /// <summary>An object inside this one; errors about its fields have its path.</summary>
    public ConfigReader Object(string name) => ObjectOrNull(name) ?? throw Missing(name, "an object");

    /// <summary>An object inside this one, or null if absent.</summary>
    internal ConfigReader? ObjectOrNull(string name) =>
        Find(name) is not JsonElement value ? null
        : value.ValueKind == JsonValueKind.Object ? new ConfigReader(Source, $"{_prefix}{name}.", value)
        : throw Wrong(name, value, "an object");

    /// <summary>An error with the message "file: field "name" problem."</summary>
    internal BadInputException Error(string name, string problem) => new(Sentence(name, problem));

    /// <summary>The message of <see cref="Error"/>, for a warning.</summary>
    internal string Sentence(string name, string problem) => $"{Source}: field \"{_prefix}{name}\" {problem}.";

    private static ConfigReader From(byte[] utf8, string source)
    {
        // The elements outlive this call, so the document is not disposed; its memory is not pooled.
        var root = JsonFile.Parse(utf8, source).RootElement;
        return root.ValueKind == JsonValueKind.Object ? new ConfigReader(source, "", root)
            : throw new BadInputException($"{source}: a JSON object was expected, found {Describe(root)}.");
    }

    private JsonElement? Find(string name) =>
        _object.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private T[]? List<T>(string name, string expected, Func<JsonElement, T?> read) where T : class
    {
        if (Find(name) is not JsonElement value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(name, value, expected);
        }

        return [.. value.EnumerateArray().Select(e => read(e) ?? throw Error(name, $"holds {Describe(e)}, expected {expected}"))];
    }

    private BadInputException Missing(string name, string expected) => Error(name, $"is missing, expected {expected}");

    private BadInputException Wrong(string name, JsonElement value, string expected) =>
        Error(name, $"is {Describe(value)}, expected {expected}");

    private static string Range<T>(T min, T max, T lowest, T highest) where T : IComparable<T> =>
        min.CompareTo(lowest) > 0 ? max.CompareTo(highest) < 0 ? $" from {min} to {max}" : $" of at least {min}"
        : max.CompareTo(highest) < 0 ? $" of at most {max}" : "";

    internal static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ when value.GetRawText() is { Length: > 60 } text => text[..60] + "…",
        _ => value.GetRawText(),
    };
}

using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Cli.Options;

/// <summary>Reads a file of names and values: YAML, or JSON if its name ends in .json.</summary>
internal static class SettingsFile
{
    /// <summary>A name and its value, with the place that an error names.</summary>
    public readonly record struct Entry(string Name, FileValue Value, string Place);

    /// <exception cref="BadInputException">The file cannot be read, or is not a list of names and values.</exception>
    public static IReadOnlyList<Entry> Read(string path) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ReadJson(path) : YamlSettings.Read(path);

    private static List<Entry> ReadJson(string path)
    {
        using var document = JsonFile.Read(path);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new BadInputException($"{path}: expected an object with settings by name, found {document.RootElement.ValueKind}.");
        }
        List<Entry> entries = [];
        foreach (var field in document.RootElement.EnumerateObject())
        {
            string place = $"{path}: {field.Name}";
            if (field.Value.ValueKind != JsonValueKind.Null)
            {
                entries.Add(new Entry(field.Name, Value(field.Value, place), place));
            }
        }
        return entries;
    }

    private static FileValue Value(JsonElement value, string place) => value.ValueKind == JsonValueKind.Array
        ? new FileValue([.. value.EnumerateArray().Select(item => Scalar(item, place, "texts or numbers"))], IsList: true)
        : FileValue.Of(Scalar(value, place, "one value or a list of values"));

    private static FileScalar Scalar(JsonElement value, string place, string expected) => value.ValueKind switch
    {
        JsonValueKind.String => new FileScalar(value.GetString()!),
        JsonValueKind.Number => new FileScalar(value.GetRawText()),
        JsonValueKind.True => new FileScalar("true", true),
        JsonValueKind.False => new FileScalar("false", false),
        JsonValueKind.Null => throw new BadInputException($"{place} holds null in a list, expected {expected}."),
        JsonValueKind.Array => throw new BadInputException($"{place} holds a list in a list, expected {expected}."),
        _ => throw new BadInputException($"{place} holds an object, expected {expected}."),
    };
}

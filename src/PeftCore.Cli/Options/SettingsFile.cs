using System.Text.Json;
using PeftCore.Io;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PeftCore.Cli.Options;

/// <summary>A file of names and values: YAML, or JSON if it is called so. A list is its items with commas between.</summary>
internal static class SettingsFile
{
    /// <summary>One name and its value, and the place to name if they are wrong.</summary>
    public readonly record struct Entry(string Name, string Value, string Place);

    public static IReadOnlyList<Entry> Read(string path) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ReadJson(path) : ReadYaml(path);

    private static List<Entry> ReadJson(string path)
    {
        using JsonDocument document = JsonFile.Read(path);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw new BadInputException($"{path}: expected an object with settings by name, found {document.RootElement.ValueKind}.");
        List<Entry> entries = [];
        foreach (JsonProperty field in document.RootElement.EnumerateObject())
        {
            string place = $"{path}: {field.Name}";
            if (field.Value.ValueKind != JsonValueKind.Null)
                entries.Add(new Entry(field.Name, Text(field.Value, place), place));
        }

        return entries;
    }

    private static string Text(JsonElement value, string place) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Array => string.Join(',', value.EnumerateArray().Select(item => Text(item, place))),
        _ => throw new BadInputException($"{place} holds an object, expected one value or a list of values."),
    };

    private static List<Entry> ReadYaml(string path)
    {
        YamlNode root = Root(path);
        if (root is not YamlMappingNode mapping)
            throw new BadInputException($"{path}: expected lines such as \"lora_r: 16\", found no names.");
        List<Entry> entries = [];
        foreach ((YamlNode key, YamlNode value) in mapping.Children)
        {
            string name = (key as YamlScalarNode)?.Value ?? "";
            string place = $"{path}, line {key.Start.Line}: {name}";
            if (!IsNull(value))
                entries.Add(new Entry(name, Text(value, place), place));
        }

        return entries;
    }

    private static YamlNode Root(string path)
    {
        var yaml = new YamlStream();
        try
        {
            using var reader = new StreamReader(path);
            yaml.Load(reader);
        }
        catch (YamlException e)
        {
            throw new BadInputException($"{path}, line {e.Start.Line}, column {e.Start.Column}: not valid YAML: {e.Message.TrimEnd('.')}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{path}: the settings file cannot be read: {e.Message.TrimEnd('.')}.", e);
        }

        return yaml.Documents.Count == 1 ? yaml.Documents[0].RootNode
            : throw new BadInputException($"{path}: expected one YAML document with settings, found {yaml.Documents.Count}.");
    }

    private static string Text(YamlNode value, string place) => value switch
    {
        YamlScalarNode scalar => scalar.Value!,
        YamlSequenceNode list => string.Join(',', list.Children.Select(item => Text(item, place))),
        _ => throw new BadInputException($"{place} holds further names, expected one value or a list of values."),
    };

    private static bool IsNull(YamlNode value) =>
        value is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" };
}

using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Kinds of fields that several methods have in their adapter_config.json.</summary>
internal static class ConfigFields
{
    /// <summary>An object from patterns for the end of a path to values.</summary>
    public static IReadOnlyList<KeyValuePair<string, T>> Pattern<T>(ConfigReader config, string field, Func<ConfigReader, string, T> read) =>
        config.ObjectOrNull(field) is { } pattern ? [.. pattern.Names.Select(name => KeyValuePair.Create(name, read(pattern, name)))] : [];

    public static IReadOnlyList<KeyValuePair<string, int>> IntPattern(ConfigReader config, string field) =>
        Pattern(config, field, (o, name) => o.Int(name, min: 1));

    public static IReadOnlyList<KeyValuePair<string, double>> FloatPattern(ConfigReader config, string field) =>
        Pattern(config, field, (o, name) => o.Float(name));

    public static JsonObject ToJson(IReadOnlyList<KeyValuePair<string, int>> pattern) =>
        new(pattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)JsonValue.Create(p.Value))));

    public static JsonObject ToJson(IReadOnlyList<KeyValuePair<string, double>> pattern) =>
        new(pattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)Number(p.Value))));

    /// <summary>A number that is written without a fraction where it has none.</summary>
    public static JsonNode Number(double value) => value == Math.Floor(value) ? JsonValue.Create((long)value) : PeftConfig.Float(value);

    public static IReadOnlyList<int>? IntOrInts(ConfigReader config, string field) =>
        config.Raw(field) is { ValueKind: JsonValueKind.Number } ? [config.Int(field)] : config.IntsOrNull(field);

    public static IReadOnlyList<string>? StringOrStrings(ConfigReader config, string field) =>
        config.Raw(field) is { ValueKind: JsonValueKind.String } ? [config.String(field)] : config.StringsOrNull(field);

    /// <summary>A field that is true, false or one of some names, as text.</summary>
    public static string BoolOrName(ConfigReader config, string field, string fallback, params ReadOnlySpan<string> names) => config.Raw(field) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => "true",
        { ValueKind: JsonValueKind.False } => "false",
        _ => config.Choice(field, null, names),
    };

    public static JsonNode BoolOrName(string value) => value switch
    {
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ => JsonValue.Create(value),
    };
}

using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Kinds of fields that several methods have in their adapter_config.json.</summary>
internal static class ConfigFields
{
    /// <summary>An object from patterns for the end of a path to values.</summary>
    public static IReadOnlyList<KeyValuePair<string, T>> Pattern<T>(ConfigReader config, string field,
        Func<ConfigReader, string, T> read) =>
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
    public static JsonNode Number(double value) => value == Math.Floor(value) && Math.Abs(value) < 1L << 53 ? JsonValue.Create((long)value)
        : PeftConfig.Float(value);

    public static IReadOnlyList<int>? IntOrInts(ConfigReader config, string field) =>
        config.Raw(field) is { ValueKind: JsonValueKind.Number } ? [config.Int(field)] : config.IntsOrNull(field);

    public static IReadOnlyList<string>? StringOrStrings(ConfigReader config, string field) =>
        config.Raw(field) is { ValueKind: JsonValueKind.String } ? config.String(field) is { Length: > 0 } one ? [one] : null
        : config.StringsOrNull(field);

    /// <summary>Whether the projections that all layers share stand in the file. Those that stand there although the configuration says
    /// they do not are used: the adapter was trained with them.</summary>
    public static bool ProjectionsAreSaved(AttachContext context, bool saved, string name)
    {
        bool stored = context.StoredShape(AdapterParameter.ModelPrefix + name) is not null;
        if (stored && !saved)
        {
            context.Warnings?.Add(
                $"{context.Place}: save_projection is false, but the projections are in the file; they are used, and not drawn again " +
                "from projection_prng_key");
        }
        return saved || stored;
    }

    /// <summary>A field that is true, false or one of some names, as text.</summary>
    public static string BoolOrName(ConfigReader config, string field, string fallback, params ReadOnlySpan<string> names) =>
        config.Raw(field) switch
        {
            null => fallback,
            { ValueKind: JsonValueKind.True } => "true",
            { ValueKind: JsonValueKind.False } => "false",
            _ => config.Choice(field, null, names),
        };

    /// <summary>A field that only says how training began: true, false or a name. A name that is not known is a problem for a new adapter
    /// alone.</summary>
    public static (string Value, string? Problem) Start(ConfigReader config, string field, string fallback,
        params ReadOnlySpan<string> names)
    {
        if (config.Raw(field) is not { ValueKind: JsonValueKind.String } value || names.Contains(value.GetString()!))
        {
            return (BoolOrName(config, field, fallback, names), null);
        }
        return (fallback,
            $"field \"{field}\" is \"{value.GetString()}\", and not one of true, " +
            $"false{(names.Length > 0 ? ", " : "")}{string.Join(", ", names!)}");
    }

    public static JsonNode BoolOrName(string value) => value switch
    {
        "true" => JsonValue.Create(true),
        "false" => JsonValue.Create(false),
        _ => JsonValue.Create(value),
    };
}

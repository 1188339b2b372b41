using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>One field of a method's adapter_config.json, as help and documentation describe it.</summary>
public sealed class ConfigField
{
    internal ConfigField(string name, string expected, string fallback, string help) =>
        (Name, Expected, Default, Help) = (name, expected, fallback, help);

    /// <summary>The name in the file and in --method-options.</summary>
    public string Name { get; }

    /// <summary>The type and the bounds, such as "integer ≥ 1".</summary>
    internal string Expected { get; }

    /// <summary>The default as JSON; "required" if there is none.</summary>
    public string Default { get; }

    /// <summary>The help text, one sentence.</summary>
    public string Help { get; }

    /// <summary>The lowest number allowed; null for no bound.</summary>
    public double? Min { get; internal init; }

    /// <summary>The highest number allowed; null for no bound.</summary>
    public double? Max { get; internal init; }

    /// <summary>The allowed names; null if every value of the type is allowed.</summary>
    public IReadOnlyList<string>? Choices { get; internal init; }
}

/// <summary>The field values of one configuration.</summary>
internal sealed class ConfigValues
{
    private readonly IReadOnlyList<KeyValuePair<string, Func<JsonNode?>>> _fields;

    /// <summary>Values are written when they are needed: one outside its bounds, such as NaN, may have no JSON.</summary>
    internal ConfigValues(IReadOnlyList<KeyValuePair<string, Func<JsonNode?>>> fields, string? problem) =>
        (_fields, Problem) = (fields, problem);

    /// <summary>The first field outside its bounds, as a sentence; null if all are inside.</summary>
    internal string? Problem { get; }

    internal bool Has(string field) => _fields.Any(pair => pair.Key == field);

    internal void WriteTo(JsonObject json)
    {
        foreach (var (name, write) in _fields)
        {
            json[name] = write();
        }
    }
}

/// <summary>One row of a <see cref="ConfigFields{T}"/>: the declaration of a field.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Expected">The type and bounds.</param>
/// <param name="Help">The help text, one sentence.</param>
/// <param name="Read">Returns the configuration with the field's value from a file; an absent field keeps its value.</param>
/// <param name="Write">The value as JSON; null for a field that is read but never written.</param>
internal sealed record FieldRow<T>(string Name, string Expected, string Help, Func<T, ConfigReader, T> Read, Func<T, JsonNode?>? Write)
{
    /// <summary>Whether a file must have the field.</summary>
    public bool IsRequired { get; init; }

    /// <summary>The error sentence for a value outside the bounds in a configuration created by code; null if it is inside.</summary>
    public Func<T, string?> Problem { get; init; } = _ => null;

    /// <summary>The lowest number that a file may have; null for no bound.</summary>
    public double? Min { get; init; }

    /// <summary>The highest number that a file may have; null for no bound.</summary>
    public double? Max { get; init; }

    /// <summary>The allowed names in a file; null if every value of the type is allowed.</summary>
    public IReadOnlyList<string>? Choices { get; init; }

    /// <summary>The fields of an object; empty for other types.</summary>
    public IReadOnlyList<ConfigField> Parts { get; init; } = [];

    public ConfigField Describe(T defaults) =>
        new(Name, Expected, IsRequired ? "required" : Write?.Invoke(defaults)?.ToJsonString() ?? "null", Help)
        {
            Min = Min, Max = Max, Choices = Choices,
        };
}

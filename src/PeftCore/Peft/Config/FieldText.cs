using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Formats the bounds of a field and the errors about values outside of them.</summary>
internal static class FieldText
{
    public static string Range(string type, int min, int max) => Range(type, (double)min, max, int.MinValue, int.MaxValue);

    public static string Range(string type, double min, double max, double lowest = double.MinValue, double highest = double.MaxValue) =>
        (min > lowest, max < highest) switch
        {
            (true, true) => string.Create(CultureInfo.InvariantCulture, $"{type} from {min} to {max}"),
            (true, false) => string.Create(CultureInfo.InvariantCulture, $"{type} ≥ {min}"),
            (false, true) => string.Create(CultureInfo.InvariantCulture, $"{type} ≤ {max}"),
            _ => type,
        };

    /// <summary>A bound of an integer; null if it excludes nothing.</summary>
    public static double? Bound(int value) => value is int.MinValue or int.MaxValue ? null : value;

    /// <summary>A bound of a number; null if it excludes nothing.</summary>
    public static double? Bound(double value) => value is double.MinValue or double.MaxValue ? null : value;

    /// <summary>The error for a value outside its bounds; null for one inside.</summary>
    public static string? OutOfRange(string name, int value, int min, int max) => value >= min && value <= max ? null
        : $"{name} is {value}; it must be {(max == int.MaxValue ? $"at least {min}" : $"from {min} to {max}")}";

    /// <summary>The error for a value outside its bounds; null for one inside.</summary>
    public static string? OutOfRange(string name, double value, double min, double max) =>
        (min == double.MinValue || value >= min) && (max == double.MaxValue || value <= max) ? null
        : $"{name} is {value}; it must be {(max == double.MaxValue ? $"at least {min}" : $"from {min} to {max}")}";
}

/// <summary>The allowed names of a field.</summary>
internal sealed class FieldChoices<TValue>(string field, IReadOnlyList<(string Name, TValue Value)> all)
{
    /// <summary>The names that are strings in a file, not booleans.</summary>
    private string[] Texts { get; } = [.. all.Select(choice => choice.Name).Where(name => name is not ("true" or "false" or "null"))];

    public TValue this[string name] => all.First(choice => choice.Name == name).Value;

    /// <summary>All names, in order.</summary>
    public IReadOnlyList<string> All { get; } = [.. all.Select(choice => choice.Name)];

    public string Expected => string.Join(", ", all.Select(choice => choice.Name));

    /// <summary>Whether true and false are among the names.</summary>
    private bool TakesBooleans => all.Any(choice => choice.Name is "true" or "false");

    public JsonNode? ToJson(TValue value) => all.First(choice => EqualityComparer<TValue>.Default.Equals(choice.Value, value)).Name switch
    {
        "true" => true,
        "false" => false,
        "null" => null,
        var name => name,
    };

    /// <summary>Reads the name from a file; null if the field is absent.</summary>
    /// <exception cref="BadInputException">The value is none of the names.</exception>
    public string? Read(ConfigReader reader) => reader.Raw(field) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } when TakesBooleans => "true",
        { ValueKind: JsonValueKind.False } when TakesBooleans => "false",
        _ => reader.Choice(field, null, Texts),
    };

    /// <summary>The error for a string that is none of the names; null if it is one, or if the field is absent or no string.</summary>
    public string? ProblemOf(ConfigReader reader) =>
        reader.Raw(field) is { ValueKind: JsonValueKind.String } value && !Texts.Contains(value.GetString()!)
            ? $"field \"{field}\" is \"{value.GetString()}\", and not one of " +
                string.Join(", ", TakesBooleans ? ["true", "false", .. Texts] : Texts)
            : null;
}

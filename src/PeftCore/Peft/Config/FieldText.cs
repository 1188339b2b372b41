using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Bounds of a field in words, and sentences about values outside of them.</summary>
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

    /// <summary>A bound of an integer; null where it excludes none.</summary>
    public static double? Bound(int value) => value is int.MinValue or int.MaxValue ? null : value;

    /// <summary>A bound of a number; null where it excludes none.</summary>
    public static double? Bound(double value) => value is double.MinValue or double.MaxValue ? null : value;

    /// <summary>The sentence about a value outside its bounds; null for one inside.</summary>
    public static string? OutOfRange(string name, int value, int min, int max) => value >= min && value <= max ? null
        : $"{name} is {value}; it must be {(max == int.MaxValue ? $"at least {min}" : $"from {min} to {max}")}";

    /// <summary>The sentence about a value outside its bounds; null for one inside.</summary>
    public static string? OutOfRange(string name, double value, double min, double max) =>
        (min == double.MinValue || value >= min) && (max == double.MaxValue || value <= max) ? null
        : $"{name} is {value}; it must be {(max == double.MaxValue ? $"at least {min}" : $"from {min} to {max}")}";
}

/// <summary>The names of a field's values.</summary>
internal sealed class FieldChoices<TValue>(string field, IReadOnlyList<(string Name, TValue Value)> all)
{
    /// <summary>The names that are texts in a file.</summary>
    private string[] Texts { get; } = [.. all.Select(choice => choice.Name).Where(name => name is not ("true" or "false" or "null"))];

    public TValue this[string name] => all.First(choice => choice.Name == name).Value;

    /// <summary>All names, in order.</summary>
    public IReadOnlyList<string> All { get; } = [.. all.Select(choice => choice.Name)];

    public string Expected => string.Join(", ", all.Select(choice => choice.Name));

    /// <summary>Whether true and false are among the values.</summary>
    private bool TakesBooleans => all.Any(choice => choice.Name is "true" or "false");

    public JsonNode? ToJson(TValue value) => all.First(choice => EqualityComparer<TValue>.Default.Equals(choice.Value, value)).Name switch
    {
        "true" => true,
        "false" => false,
        "null" => null,
        var name => name,
    };

    /// <summary>The name in a file; null if the field is absent.</summary>
    /// <exception cref="BadInputException">It is none of the names.</exception>
    public string? Read(ConfigReader reader) => reader.Raw(field) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } when TakesBooleans => "true",
        { ValueKind: JsonValueKind.False } when TakesBooleans => "false",
        _ => reader.Choice(field, null, Texts),
    };

    /// <summary>What is wrong with a text that is none of the names; null for one of them, or for no text.</summary>
    public string? ProblemOf(ConfigReader reader) =>
        reader.Raw(field) is { ValueKind: JsonValueKind.String } value && !Texts.Contains(value.GetString()!)
            ? $"field \"{field}\" is \"{value.GetString()}\", and not one of " +
                string.Join(", ", TakesBooleans ? ["true", "false", .. Texts] : Texts)
            : null;
}

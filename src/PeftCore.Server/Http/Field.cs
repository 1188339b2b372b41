using System.Text.Json;

namespace PeftCore.Server.Http;

/// <summary>One value of a request, with its place in it: "temperature", "messages[2].content".</summary>
internal readonly record struct Field(string Name, JsonElement Value)
{
    /// <summary>The name without the place of its object.</summary>
    public string LocalName { get; init; } = Name;

    public bool IsNull => Value.ValueKind == JsonValueKind.Null;

    public bool IsText => Value.ValueKind == JsonValueKind.String;

    public bool IsList => Value.ValueKind == JsonValueKind.Array;

    /// <summary>A text.</summary>
    public string Text()
    {
        try
        {
            return IsText ? Value.GetString()! : throw Bad("a text");
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Bad(Name, $"{Name} is not valid Unicode: half of a surrogate pair is missing");
        }
    }

    public bool Flag() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Bad("true or false"),
    };

    /// <summary>A number between two bounds, both included.</summary>
    public double Number(double min, double max)
    {
        string expected = FormattableString.Invariant($"a number from {min} to {max}");
        return Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out double number) && number >= min && number <= max ? number
            : throw Bad(expected);
    }

    /// <summary>A whole number between two bounds, both included.</summary>
    public long Whole(long min, long max = long.MaxValue)
    {
        string expected = max == long.MaxValue ? $"a whole number of at least {min}" : $"a whole number from {min} to {max}";
        return Value.ValueKind == JsonValueKind.Number && Value.TryGetInt64(out long number) && number >= min && number <= max ? number
            : throw Bad(expected);
    }

    /// <summary>The items of a list.</summary>
    public IReadOnlyList<Field> Items()
    {
        var (name, value) = (Name, Value);
        return IsList ? [.. value.EnumerateArray().Select((item, at) => new Field($"{name}[{at}]", item))] : throw Bad("a list");
    }

    /// <summary>The members of an object.</summary>
    public IReadOnlyList<Field> Members()
    {
        var (name, value) = (Name, Value);
        try
        {
            return value.ValueKind == JsonValueKind.Object
                ? [.. value.EnumerateObject().Select(member => new Field(name.Length == 0 ? member.Name : $"{name}.{member.Name}",
                    member.Value) { LocalName = member.Name })]
                : throw Bad("an object");
        }
        catch (InvalidOperationException)
        {
            throw ApiException.Bad(name, $"a name in {(name.Length == 0 ? "the body" : name)} is not valid Unicode");
        }
    }

    /// <summary>The error for a value of another kind or out of bounds.</summary>
    public ApiException Bad(string expected) => ApiException.Bad(Name, $"{Name} is {Shown()}, expected {expected}");

    /// <summary>The kind of a value in words.</summary>
    public static string KindOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "list",
        JsonValueKind.String => "text",
        JsonValueKind.Number => "number",
        JsonValueKind.Null => "null",
        _ => "boolean",
    };

    /// <summary>Numbers and booleans as they stand; of a text or an object only the kind, which may be long or private.</summary>
    private string Shown() => Value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False
        && Value.GetRawText() is { Length: <= 40 } text ? text
        : IsNull ? "null" : Value.ValueKind == JsonValueKind.Object ? "an object" : $"a {KindOf(Value)}";
}

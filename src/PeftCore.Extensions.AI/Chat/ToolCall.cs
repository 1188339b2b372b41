using System.Text.Json;
using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>A call of a tool in an answer.</summary>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">Its arguments by name.</param>
internal sealed record ToolCall(string Name, IDictionary<string, object?> Arguments)
{
    /// <summary>The call as content of a message.</summary>
    public FunctionCallContent ToContent() => new(NewId(), Name, Arguments);

    /// <summary>A call written as JSON: an object with a name, and arguments or parameters, which may be JSON in a text.</summary>
    /// <returns>Null if it is none.</returns>
    public static ToolCall? FromJson(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("name", out var name)
            || name.ValueKind != JsonValueKind.String)
        {
            return null;
        }
        return json.TryGetProperty("arguments", out var arguments) || json.TryGetProperty("parameters", out arguments)
            ? ArgumentsOf(arguments) is { } values ? new ToolCall(name.GetString()!, values) : null
            : new ToolCall(name.GetString()!, new Dictionary<string, object?>());
    }

    /// <summary>Calls written as JSON, one object or a list of them; null if a text is something else.</summary>
    public static IReadOnlyList<ToolCall>? FromJson(string text)
    {
        if (Parse(text) is not { } json)
        {
            return null;
        }
        JsonElement[] items = json.ValueKind == JsonValueKind.Array ? [.. json.EnumerateArray()] : [json];
        ToolCall?[] calls = [.. items.Select(FromJson)];
        return calls.Length > 0 && calls.All(call => call is not null) ? [.. calls.Select(call => call!)] : null;
    }

    /// <summary>The arguments of a call; null if a value is no object.</summary>
    public static IDictionary<string, object?>? ArgumentsOf(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.String)
        {
            return Parse(json.GetString()!) is { ValueKind: JsonValueKind.Object } inner ? ArgumentsOf(inner) : null;
        }
        if (json.ValueKind != JsonValueKind.Object)
        {
            return null;
        }
        var values = new Dictionary<string, object?>();
        foreach (var property in json.EnumerateObject())
        {
            values[property.Name] = property.Value;
        }
        return values;
    }

    /// <summary>A JSON value; null if a text is none.</summary>
    public static JsonElement? Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Nine letters and digits: Mistral's templates accept no other length.</summary>
    private static string NewId() => Guid.NewGuid().ToString("N")[..9];
}

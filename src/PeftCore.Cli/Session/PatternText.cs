using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Session;

/// <summary>Reads --rank-pattern and --alpha-pattern: numbers by patterns of module names, such as "q_proj=16,layers.0.mlp.*=4", or a JSON
/// object, for patterns with commas or equals signs.</summary>
internal static class PatternText
{
    /// <exception cref="BadInputException">The text is not of this form, or has a pattern twice.</exception>
    public static JsonObject Parse(string flag, string text)
    {
        if (text.TrimStart().StartsWith('{'))
        {
            try
            {
                return StrictJson.ParseNode(text)!.AsObject();
            }
            catch (JsonException e)
            {
                throw new BadInputException($"{flag} is no JSON object: {e.Message}", e);
            }
        }
        var patterns = new JsonObject();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            int equals = part.LastIndexOf('=');
            string written = part[(equals + 1)..];
            if (equals <= 0 || !NumberText.TryFloat(written, out double number))
            {
                throw new BadInputException(
                    $"{flag} has \"{part}\", expected a pattern and a number such as q_proj=16, with commas between.");
            }
            JsonNode value = NumberText.TryWhole(written, out int whole) ? JsonValue.Create(whole) : JsonValue.Create(number);
            if (!patterns.TryAdd(part[..equals], value))
            {
                throw new BadInputException($"{flag} has \"{part[..equals]}\" twice; give it one number.");
            }
        }
        return patterns;
    }
}

using System.Text.Json;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>The class names of a head, in the header of the file that holds its weights: the field "label_names" of "__metadata__", a list
/// in JSON. Hugging Face keeps them in the base's config.json (id2label), which an adapter does not have; its readers ignore the field.
/// </summary>
internal static class SavedLabels
{
    private const string Field = "label_names";

    /// <summary>The header's metadata for an adapter of a model.</summary>
    public static Dictionary<string, string> Metadata(IReadOnlyList<string> labels)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        if (labels.Count > 0 && !TaskSpec.ArePlaceholders(labels))
        {
            metadata[Field] = $"[{string.Join(", ", labels.Select(label => $"\"{JsonEncodedText.Encode(label)}\""))}]";
        }
        return metadata;
    }

    /// <summary>The class names in a header; empty if it has none.</summary>
    /// <exception cref="BadInputException">The field is not a list of names.</exception>
    public static IReadOnlyList<string> Of(string place, IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(Field, out string? text))
        {
            return [];
        }
        try
        {
            using var document = JsonDocument.Parse(text);
            return [.. document.RootElement.EnumerateArray().Select(name => name.GetString()!)];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BadInputException($"{place}: the header's \"{Field}\" is {text}, expected a list of class names in JSON", e);
        }
    }
}

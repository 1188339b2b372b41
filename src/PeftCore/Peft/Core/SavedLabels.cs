using System.Text.Json;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>What a head learns, in the header of the file that holds its weights, fields of "__metadata__": the class names in
/// "label_names", a list in JSON, and "problem_type" if a text may have several classes. Hugging Face keeps both in the base's config.json
/// (id2label, problem_type), which an adapter does not have; its readers ignore the fields.</summary>
/// <param name="Names">The class names; empty without classes.</param>
/// <param name="ProblemType">transformers' problem_type; null if it follows from the number of classes.</param>
internal sealed record SavedLabels(IReadOnlyList<string> Names, string? ProblemType)
{
    private const string NamesField = "label_names";
    private const string ProblemField = "problem_type";

    /// <summary>What the head of a model learns.</summary>
    public static SavedLabels Of(TransformerModel model) =>
        new(model.Labels, model.ProblemType == Problems.MultiLabel ? model.ProblemType : null);

    /// <summary>The header's metadata.</summary>
    public Dictionary<string, string> Metadata()
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        if (Names.Count > 0 && !TaskSpec.ArePlaceholders(Names))
        {
            metadata[NamesField] = $"[{string.Join(", ", Names.Select(label => $"\"{JsonEncodedText.Encode(label)}\""))}]";
        }
        if (ProblemType is not null)
        {
            metadata[ProblemField] = ProblemType;
        }
        return metadata;
    }

    /// <summary>Reads a header.</summary>
    /// <exception cref="BadInputException">The names are no list.</exception>
    public static SavedLabels Of(string place, IReadOnlyDictionary<string, string> metadata) =>
        new(NamesIn(place, metadata), metadata.GetValueOrDefault(ProblemField));

    private static IReadOnlyList<string> NamesIn(string place, IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(NamesField, out string? text))
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
            throw new BadInputException($"{place}: the header's \"{NamesField}\" is {text}, expected a list of class names in JSON", e);
        }
    }
}

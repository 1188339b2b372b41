using System.Globalization;
using System.Text.Json;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>What a head learns, in the header of the file that holds its weights, fields of "__metadata__": the class names in
/// "label_names", a list in JSON, "problem_type" if a text may have several classes, and "pooling" and "temperature" of embeddings. Hugging
/// Face keeps both in the base's config.json (id2label, problem_type), which an adapter does not have; its readers ignore the
/// fields.</summary>
/// <param name="Names">The class names; empty without classes.</param>
/// <param name="ProblemType">transformers' problem_type; null if it follows from the number of classes.</param>
/// <param name="Pooling">How embeddings are made; null for the default.</param>
/// <param name="Temperature">The temperature of contrastive training; null for the default.</param>
internal sealed record SavedLabels(IReadOnlyList<string> Names, string? ProblemType, string? Pooling, float? Temperature)
{
    private const string NamesField = "label_names";
    private const string ProblemField = "problem_type";
    private const string PoolingField = "pooling";
    private const string TemperatureField = "temperature";

    /// <summary>What the head of a model learns.</summary>
    public static SavedLabels Of(TransformerModel model) =>
        new(model.Labels, model.ProblemType == Problems.MultiLabel ? model.ProblemType : null, model.Pooling,
            model.Temperature);

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
        if (Pooling is not null)
        {
            metadata[PoolingField] = Pooling;
        }
        if (Temperature is { } temperature)
        {
            metadata[TemperatureField] = temperature.ToString(CultureInfo.InvariantCulture);
        }
        return metadata;
    }

    /// <summary>Reads a header.</summary>
    /// <exception cref="BadInputException">The names are no list.</exception>
    public static SavedLabels Of(string place, IReadOnlyDictionary<string, string> metadata) =>
        new(NamesIn(place, metadata), metadata.GetValueOrDefault(ProblemField), metadata.GetValueOrDefault(PoolingField),
            TemperatureIn(place, metadata));

    private static float? TemperatureIn(string place, IReadOnlyDictionary<string, string> metadata) =>
        !metadata.TryGetValue(TemperatureField, out string? text) ? null : NumberText.TryFloat(text, out double number) ? (float)number
        : throw new BadInputException($"{place}: the header's \"{TemperatureField}\" is {text}, expected a number");

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

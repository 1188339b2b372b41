using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Checks of fields that every family's configuration repeats.</summary>
internal static class ConfigChecks
{
    private static readonly string[] Classes =
        ["ForCausalLM", "LMHeadModel", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "DoubleHeadsModel",
            "ForMaskedLM",
        "ForConditionalGeneration", "ForPreTraining", "ForImageClassification", "ForMultipleChoice", "EncoderModel", "Model"];

    private static readonly string[] DTypes = ["auto", "float32", "float", "bfloat16", "float16", "half", "float64", "double"];

    /// <summary>Warns of contradictions between fields that do not change the results.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="warnings">Receives the warnings.</param>
    public static void Run(ConfigReader config, ICollection<string>? warnings)
    {
        string type = TypeOf(config);
        if (ArchitectureOf(config) is { } architecture && FamilyOf(architecture) is { } family && family != type)
        {
            warnings?.Add(config.Sentence("architectures", $"names {architecture}, but \"model_type\" is \"{type}\", which counts"));
        }
        string? current = DTypeOf(config, "dtype"), old = DTypeOf(config, "torch_dtype");
        if (current is not null && old is not null && current != old)
        {
            warnings?.Add(config.Sentence("torch_dtype",
                $"is \"{old}\", but \"dtype\" is \"{current}\"; weights keep the dtype they have in the file"));
        }
    }

    /// <summary>The model type: "model_type", or in diffusers' files the class that "_class_name" names.</summary>
    internal static string TypeOf(ConfigReader config) => config.StringOrNull("model_type") ?? config.StringOrNull("_class_name")
        ?? config.String("model_type");

    private static string? DTypeOf(ConfigReader config, string name)
    {
        if (config.StringOrNull(name) is not { } text)
        {
            return null;
        }
        string dtype = text.StartsWith("torch.", StringComparison.Ordinal) ? text["torch.".Length..] : text;
        return DTypes.Contains(dtype) || dtype.StartsWith("float8_", StringComparison.Ordinal) ? dtype
            : throw config.Error(name, $"is \"{text}\", expected the name of a dtype such as float32, bfloat16 or float16");
    }

    internal static string? ArchitectureOf(ConfigReader config) => config.Raw("architectures") switch
    {
        null => config.StringOrNull("_class_name"),
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        _ => config.StringsOrNull("architectures")!.FirstOrDefault(),
    };

    /// <summary>The model type that a class name begins with; null if there is no such family.</summary>
    private static string? FamilyOf(string architecture) =>
        Classes.FirstOrDefault(name => architecture.EndsWith(name, StringComparison.Ordinal)) is { } end
        ? ModelFamilies.ModelTypes.FirstOrDefault(type => Compact(type) == architecture[..^end.Length].ToLowerInvariant()) : null;

    /// <summary>A model type as class names have it: "gpt_neox" is GPTNeoX.</summary>
    private static string Compact(string type) =>
        type.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
}

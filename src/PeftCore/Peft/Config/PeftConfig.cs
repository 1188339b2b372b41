using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>What an adapter_config.json holds for every method. Each method adds its hyperparameters; names in the file are Hugging
/// Face's.</summary>
public abstract record PeftConfig
{
    /// <summary>The file's name in an adapter directory.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>The release of Hugging Face PEFT whose files these are.</summary>
    internal const string PeftVersion = "0.21.0";

    /// <summary>The method's name in the file, such as "LORA".</summary>
    public abstract string PeftType { get; }

    /// <summary>Such as "CAUSAL_LM"; null if not said.</summary>
    public string? TaskType { get; init; } = "CAUSAL_LM";

    /// <summary>The base model the adapter was trained on.</summary>
    public string? BaseModelNameOrPath { get; init; }

    /// <summary>The base model's revision.</summary>
    public string? Revision { get; init; }

    /// <summary>Names of the methods, as the command line has them.</summary>
    public static IReadOnlyList<string> MethodNames => [.. PeftMethods.Names];

    /// <summary>The fields of a method's adapter_config.json, with their bounds, defaults and meaning.</summary>
    /// <param name="method">The method, as the command line names it.</param>
    /// <exception cref="BadInputException">There is no such method.</exception>
    public static IReadOnlyList<ConfigField> FieldsOf(string method) => PeftMethods.Named(method).Fields;

    /// <summary>Reads an adapter_config.json of any method.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warnings">Gets one sentence for each field nobody knows.</param>
    /// <exception cref="BadInputException">The file is damaged, the method unknown, or a field asks for something that is not
    /// supported.</exception>
    public static PeftConfig Load(string path, ICollection<string>? warnings = null)
    {
        var reader = ConfigReader.Open(path);
        var config = PeftMethods.Get(reader).Read(reader);
        string[] unknown = config.Unknown(reader);
        // What the adapter computes may depend on a field that asks for something.
        ConfigChecks.RefuseUnknownOptions(reader, unknown);
        foreach (string sentence in ConfigChecks.Warnings(config, unknown))
        {
            warnings?.Add($"{path}: {sentence}");
        }
        return config;
    }

    /// <summary>A method's configuration from some of its fields; the others have their defaults.</summary>
    /// <param name="method">The method, as the command line names it.</param>
    /// <param name="fields">Fields with the names and values they have in adapter_config.json.</param>
    /// <param name="origin">Gives the name under which the user set a field, such as a flag, for errors; null where it is the field's
    /// own.</param>
    /// <exception cref="BadInputException">The method or a field is unknown, or a value does not fit.</exception>
    public static PeftConfig Create(string method, JsonObject fields, Func<string, string?>? origin = null)
    {
        var whole = (JsonObject)fields.DeepClone();
        whole["peft_type"] = PeftMethods.TypeOf(method);
        var reader = ConfigReader.Parse(whole.ToJsonString(), method);
        var config = PeftMethods.Get(reader).Read(reader);
        string[] unknown = config.Unknown(reader);
        if (config.StartProblem is { } problem)
        {
            throw new BadInputException(problem);
        }
        if (unknown.Length == 0)
        {
            return config;
        }
        string has = $"has no field \"{unknown[0]}\"; it has " +
            $"{string.Join(", ", config.ToJson().Select(field => field.Key).Order(StringComparer.Ordinal))}";
        throw new BadInputException(origin?.Invoke(unknown[0]) is { } flag
            ? $"{flag} is not for {method}, which {has}; choose a method with --method" : $"{method} {has}");
    }

    /// <summary>Fields the method does not have.</summary>
    private string[] Unknown(ConfigReader reader)
    {
        var known = ToJson().Select(field => field.Key).ToHashSet(StringComparer.Ordinal);
        return [.. reader.Names.Where(name => !known.Contains(name))];
    }

    /// <summary>Writes the file as Hugging Face does: fields sorted, indented by two.</summary>
    public void Save(string path)
    {
        var sorted = new JsonObject(ToJson().OrderBy(field => field.Key, StringComparer.Ordinal)
            .Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone())));
        JsonFile.Write(path, sorted);
    }

    /// <summary>All fields with their values.</summary>
    internal JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = BaseModelNameOrPath,
            ["inference_mode"] = true,
            ["peft_type"] = PeftType,
            ["peft_version"] = PeftVersion,
            ["revision"] = Revision,
            ["task_type"] = TaskType,
        };
        FieldValues.WriteTo(json);
        return json;
    }

    /// <summary>Whether a new adapter of this configuration computes what the base computes.</summary>
    internal virtual bool StartsAsBase => true;

    /// <summary>Whether a pass over a batch of one shape does the same work every step, so that a recording may stand for it: nothing about
    /// it is decided by chance or by values on the host, and no number comes from there. Dropout of an input is drawn on the device and
    /// does not count.</summary>
    internal virtual bool SupportsGraphCapture => false;

    /// <summary>What is wrong with fields that only say how training began: a new adapter cannot be made so, a trained one does not need
    /// them. Null for nothing.</summary>
    internal string? StartProblem { get; init; }

    /// <summary>What a reader of the file should know.</summary>
    internal IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Refuses a file whose tensors contradict the configuration in ways that their keys and shapes do not tell.</summary>
    /// <param name="model">The base with its own parameters.</param>
    /// <param name="stored">The file.</param>
    /// <param name="trainable">Whether the adapter shall train.</param>
    internal virtual void CheckStored(CausalModel model, AdapterWeights stored, bool trainable)
    {
    }

    /// <summary>The fields of this configuration with their values.</summary>
    public abstract ConfigValues FieldValues { get; }

    /// <summary>Attaches the method to a model.</summary>
    /// <exception cref="BadInputException">A field is outside its bounds, or does not fit the model.</exception>
    internal Adapter Attach(AttachContext context) =>
        FieldValues.Problem is { } problem ? throw new BadInputException(problem) : AttachTo(context);

    /// <summary>Makes the method's parameters and the hooks of the layers it adapts.</summary>
    internal abstract Adapter AttachTo(AttachContext context);

    /// <summary>A number as Python writes it: 0.0, not 0.</summary>
    internal static JsonNode Float(double value)
    {
        string text = value.ToString("R", System.Globalization.CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal);
        return JsonNode.Parse(text.AsSpan().IndexOfAny(".eE") < 0 ? text + ".0" : text)!;
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>Base of all configurations: the fields of adapter_config.json that every method has. Each method adds its hyperparameters;
/// names in the file are Hugging Face's.</summary>
/// <example>
/// <code>
/// new LoraConfig { Rank = 4, Alpha = 8 }.Save(Path.Combine(outputDirectory, PeftConfig.FileName));
/// var config = PeftConfig.Load(Path.Combine(outputDirectory, PeftConfig.FileName));
/// Console.WriteLine($"{config.PeftType} of {string.Join(", ", PeftConfig.MethodNames)}");
/// </code>
/// </example>
public abstract record PeftConfig
{
    private protected PeftConfig()
    {
    }

    /// <summary>The file's name in an adapter directory.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>The release of Hugging Face PEFT whose file format is written.</summary>
    internal const string PeftVersion = "0.21.0";

    /// <summary>The method's name in the file, such as "LORA".</summary>
    public string PeftType => PeftMethods.TypeOf(this);

    /// <summary>The task type, such as "CAUSAL_LM"; null if absent.</summary>
    internal string? TaskType { get; init; } = "CAUSAL_LM";

    /// <summary>The class of the base model and its Python module, which Hugging Face PEFT writes if there is no task type.</summary>
    internal JsonElement? AutoMapping { get; init; }

    /// <summary>Name or path of the base model.</summary>
    internal string? BaseModelNameOrPath { get; init; }

    /// <summary>The base model's revision.</summary>
    internal string? Revision { get; init; }

    /// <summary>Names of the methods on the command line.</summary>
    public static IReadOnlyList<string> MethodNames => [.. PeftMethods.Names];

    /// <summary>The fields of a method's adapter_config.json, with their bounds, defaults and meaning.</summary>
    /// <param name="method">The method's name on the command line.</param>
    /// <exception cref="BadInputException">The method is unknown.</exception>
    public static IReadOnlyList<ConfigField> FieldsOf(string method) => PeftMethods.Named(method).Fields;

    /// <summary>Reads an adapter_config.json of any method.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warnings">Receives one sentence for each unknown field.</param>
    /// <exception cref="BadInputException">The file is damaged, the method unknown, or a field turns on something that is not
    /// supported.</exception>
    public static PeftConfig Load(string path, ICollection<string>? warnings = null)
    {
        var reader = ConfigReader.Open(path);
        var config = PeftMethods.Get(reader).Read(reader);
        string[] unknown = config.Unknown(reader);
        // The adapter's output may depend on an unknown option.
        ConfigChecks.RefuseUnknownOptions(reader, unknown);
        foreach (string sentence in ConfigChecks.Warnings(config, unknown))
        {
            warnings?.Add($"{path}: {sentence}");
        }
        return config;
    }

    /// <summary>Creates a method's configuration from some of its fields; the others have their defaults.</summary>
    /// <param name="method">The method's name on the command line.</param>
    /// <param name="fields">Fields with the names and values they have in adapter_config.json.</param>
    /// <param name="origin">Returns the name under which the user set a field, such as a flag, for errors; null for the field's own
    /// name.</param>
    /// <exception cref="BadInputException">The method or a field is unknown, or a value is invalid.</exception>
    public static PeftConfig Create(string method, JsonObject fields, Func<string, string?>? origin = null)
    {
        ArgumentNullException.ThrowIfNull(fields);
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

    /// <summary>Names in the file that are not fields of the method.</summary>
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
            ["auto_mapping"] = AutoMapping is { } mapping ? JsonNode.Parse(mapping.GetRawText()) : null,
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

    /// <summary>Whether a new adapter of this configuration starts as the identity, so that the model computes the output of the
    /// base.</summary>
    internal virtual bool StartsAsBase => true;

    /// <summary>Whether a pass over a batch of one shape does the same work every step, so that a graph may replace it: nothing about
    /// it is decided by chance or by values on the host, and no number comes from there. Dropout of an input is drawn on the device and
    /// does not count.</summary>
    internal virtual bool SupportsGraphCapture => false;

    /// <summary>The error for unsupported initialisation fields; null if there is none. It applies only to a new adapter, because a trained
    /// one does not depend on them.</summary>
    internal string? StartProblem { get; init; }

    /// <summary>Notes to show when the file is read.</summary>
    internal IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Throws if the values of the file's tensors contradict the configuration; keys and shapes are checked elsewhere.</summary>
    /// <param name="model">The base model with its original parameters.</param>
    /// <param name="stored">The file.</param>
    /// <param name="trainable">Whether the adapter will be trained.</param>
    internal virtual void CheckStored(TransformerModel model, AdapterWeights stored, bool trainable)
    {
    }

    /// <summary>The fields of this configuration with their values.</summary>
    internal ConfigValues FieldValues => PeftMethods.ValuesOf(this);

    /// <summary>Attaches the method to a model.</summary>
    /// <exception cref="BadInputException">A field is outside its bounds, or is invalid for the model.</exception>
    internal Adapter Attach(AttachContext context)
    {
        if (FieldValues.Problem is { } problem)
        {
            throw new BadInputException(problem);
        }
        var adapter = AttachTo(context);
        if (!NamesSavedModules)
        {
            // Without the field modules_to_save the head of a task still trains: it is new.
            var names = SavedHead.NamesOf(context.Base);
            var head = context.Base.HeadModules.Where(name => names.Any(name.EndsWith)).Union(context.Base.NewModules.Intersect(names));
            adapter.Swaps.AddRange(new SavedModules(context, [.. head]).ModulesExcept(adapter.Swaps).ToList());
        }
        return adapter;
    }

    /// <summary>Whether the method's file has the field modules_to_save.</summary>
    private protected virtual bool NamesSavedModules => false;

    /// <summary>This configuration for a new adapter of a model: with the model's task type, and the head of a task that has one among the
    /// modules to save, as Hugging Face PEFT does.</summary>
    internal PeftConfig For(TransformerModel model)
    {
        string? type = SavedHead.TypeOf(model.Task);
        return WithSavedModules(SavedHead.NamesOf(model)) with
        {
            TaskType = type,
            AutoMapping = type is null ? SavedHead.MappingOf(model) : null,
        };
    }

    /// <summary>This configuration with further modules to save; unchanged without that field.</summary>
    private protected virtual PeftConfig WithSavedModules(IReadOnlyList<string> names) => this;

    /// <summary>Creates the method's parameters and the hooks of the adapted layers.</summary>
    internal abstract Adapter AttachTo(AttachContext context);

    /// <summary>A number in Python's notation: 0.0, not 0.</summary>
    /// <exception cref="BadInputException">It is NaN or infinite, which JSON has no notation for.</exception>
    internal static JsonNode Float(double value)
    {
        if (!double.IsFinite(value))
        {
            throw new BadInputException($"a configuration has the number {value}, which JSON cannot hold; set a finite one.");
        }
        string text = value.ToString("R", System.Globalization.CultureInfo.InvariantCulture).Replace("E", "e", StringComparison.Ordinal);
        return JsonNode.Parse(text.AsSpan().IndexOfAny(".eE") < 0 ? text + ".0" : text)!;
    }
}

using System.Globalization;
using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Lab.Engine;

/// <summary>A method as the page offers it: its name and the fields that have a control.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Size">The field of the method's size; null if it has none.</param>
/// <param name="Alpha">The field of α; null if it has none.</param>
/// <param name="HasTargets">Whether it adapts modules that are chosen by name.</param>
internal sealed record LabMethod(string Name, ConfigField? Size, ConfigField? Alpha, bool HasTargets)
{
    /// <summary>The largest size that the page allows; memory and time of a step grow with it.</summary>
    public const int MostSize = 256;

    private const int UsualTokens = 20;
    private const string Tokens = "num_virtual_tokens";

    private static readonly string[] Sizes = ["r", Tokens, "num_vectors", "n_frequency", "num_trained_layers"];
    private static readonly string[] Alphas = ["lora_alpha", "alpha", "randlora_alpha"];

    /// <summary>The size that an untouched control has.</summary>
    public int UsualSize => Size is null ? 0 : NumberOr(Size.Default, UsualTokens);

    /// <summary>The α that an untouched control has.</summary>
    public int UsualAlpha => Alpha is null ? 0 : NumberOr(Alpha.Default, 1);

    /// <summary>The methods that train a model of this kind with no other field set.</summary>
    /// <param name="directory">The model's directory.</param>
    public static IReadOnlyList<LabMethod> For(string directory) =>
        [.. PeftConfig.MethodNames.Select(Of).Where(method => method.Fits(directory))];

    /// <summary>The configuration of a run.</summary>
    /// <exception cref="BadInputException">The method lacks a field that is set, or a value is invalid.</exception>
    public PeftConfig Config(LabSettings settings, string model) =>
        PeftConfig.Create(Name, Fields(settings, model));

    /// <summary>The fields of adapter_config.json that the settings set.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="model">The base model's directory; null leaves it out.</param>
    public JsonObject Fields(LabSettings settings, string? model)
    {
        var fields = new JsonObject();
        if (model is not null)
        {
            (fields["task_type"], fields["base_model_name_or_path"]) = ("CAUSAL_LM", model);
        }
        if (settings.Size is { } size)
        {
            fields[Size?.Name ?? throw new BadInputException($"{Name} has no rank and no number of tokens; leave size out.")] = size;
        }
        else if (Size?.Name == Tokens)
        {
            fields[Tokens] = UsualTokens;
        }
        if (settings.Alpha is { } alpha)
        {
            fields[Alpha?.Name ?? throw new BadInputException($"{Name} has no alpha; leave it out.")] = alpha;
        }
        if (settings.Targets.Count > 0)
        {
            fields["target_modules"] = HasTargets ? new JsonArray([.. settings.Targets.Select(name => JsonValue.Create(name))])
                : throw new BadInputException($"{Name} adapts no modules by name; leave targets out.");
        }
        return fields;
    }

    private static LabMethod Of(string name)
    {
        var fields = PeftConfig.FieldsOf(name);
        ConfigField? First(string[] names) => names.Select(each => fields.FirstOrDefault(field => field.Name == each))
            .FirstOrDefault(field => field is not null);
        // AdaLoRA's file has the field r too, but AdaLoRA does not use it.
        return new LabMethod(name, First(name == "adalora" ? ["init_r"] : Sizes), First(Alphas),
            fields.Any(field => field.Name == "target_modules"));
    }

    /// <summary>Whether the method attaches to the model, tried without data.</summary>
    private bool Fits(string directory)
    {
        try
        {
            using var backend = new MetaBackend();
            new PeftModel(ModelLoader.Load(directory, backend)).AddPlannedAdapter(Config(new LabSettings(), directory));
            return true;
        }
        catch (BadInputException)
        {
            return false;
        }
    }

    /// <summary>A default that is a number; "required" and lists are none.</summary>
    private static int NumberOr(string text, int fallback) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? (int)number : fallback;
}

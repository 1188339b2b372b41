using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Fields that many methods share.</summary>
public static class CommonFields
{
    /// <summary>Adds the fields that every method has: task_type, base_model_name_or_path, revision.</summary>
    internal static ConfigFields<T> Common<T>(this ConfigFields<T> fields)
        where T : PeftConfig => fields
        .Add(new("auto_mapping", "any value", "Class of the base model if there is no task type; kept for the file.",
            (c, reader) => c with { AutoMapping = reader.Raw("auto_mapping") },
            c => c.AutoMapping is { } value ? JsonNode.Parse(value.GetRawText()) : null))
        .Text("task_type", c => c.TaskType, (c, v) => c with { TaskType = v }, "Task the adapter is trained for, such as CAUSAL_LM.")
        .Text("base_model_name_or_path", c => c.BaseModelNameOrPath, (c, v) => c with { BaseModelNameOrPath = v },
            "Base model the adapter is trained on; not needed to load it.")
        .Text("revision", c => c.Revision, (c, v) => c with { Revision = v }, "Revision of the base model.");

    /// <summary>Adds the common fields and those that choose layers by name.</summary>
    /// <param name="fields">The rows so far.</param>
    /// <param name="bias">The file's name of <see cref="BiasMode.LoraOnly"/>; null if the method trains no biases.</param>
    /// <param name="exclude">Whether the file has exclude_modules.</param>
    /// <param name="layers">Whether the file has layers_to_transform and layers_pattern.</param>
    /// <param name="fanInFanOut">Whether the file has fan_in_fan_out.</param>
    public static ConfigFields<T> Targets<T>(this ConfigFields<T> fields, string? bias = null, bool exclude = false, bool layers = false,
        bool fanInFanOut = false)
        where T : TargetedConfig
    {
        ArgumentNullException.ThrowIfNull(fields);
        fields.Common()
            .Modules("target_modules", c => c.TargetModules, (c, v) => c with { TargetModules = v },
                "Modules to adapt: names that match the end of a module's path, or a regular expression for the whole path; null for the " +
                "model family's usual ones.")
            .Texts("modules_to_save", c => c.ModulesToSave, (c, v) => c with { ModulesToSave = v },
                "Modules that train whole and are saved with the adapter.");
        if (bias is not null)
        {
            fields.Choice("bias", c => c.Bias, (c, v) => c with { Bias = v },
                "Which biases train: none, those of the adapted layers, or all.",
                ("none", BiasMode.None), (bias, BiasMode.LoraOnly), ("all", BiasMode.All));
        }
        if (exclude)
        {
            fields.Modules("exclude_modules", c => c.ExcludeModules, (c, v) => c with { ExcludeModules = v },
                "Modules not to adapt, whatever target_modules says.");
        }
        if (layers)
        {
            fields.Layers();
        }
        return !fanInFanOut ? fields : fields.Bool("fan_in_fan_out", c => c.FanInFanOut, (c, v) => c with { FanInFanOut = v },
            "Whether the layers store their weights as (in, out), as GPT-2 does; saved as the model has it.");
    }

    private static void Layers<T>(this ConfigFields<T> fields)
        where T : TargetedConfig => fields
        .Add(new("layers_to_transform", "integer, list of integers or null", "Numbers of the blocks to adapt, from 0; null for all.",
            (c, reader) => c with { LayersToTransform = IntOrInts(reader, "layers_to_transform") },
            c => FieldKinds.ToJson(c.LayersToTransform)))
        .Add(new("layers_pattern", "text, list of texts or null", "Names of the model's list of blocks, such as layers; null for any.",
            (c, reader) => c with { LayersPattern = TextOrTexts(reader, "layers_pattern") }, c => FieldKinds.ToJson(c.LayersPattern)))
        .Then(RefuseLayersWithoutEffect);

    private static IReadOnlyList<int>? IntOrInts(ConfigReader reader, string field) =>
        reader.Raw(field) is { ValueKind: JsonValueKind.Number } ? [reader.Int(field)] : reader.IntsOrNull(field);

    private static IReadOnlyList<string>? TextOrTexts(ConfigReader reader, string field) =>
        reader.Raw(field) is { ValueKind: JsonValueKind.String } ? reader.String(field) is { Length: > 0 } one ? [one] : null
        : reader.StringsOrNull(field);

    /// <summary>Throws for layers_to_transform together with a regular expression, and for layers_pattern without layers_to_transform, as
    /// in Hugging Face PEFT.</summary>
    private static T RefuseLayersWithoutEffect<T>(T config, ConfigReader reader)
        where T : TargetedConfig
    {
        if (config.LayersToTransform is not null && config.TargetModules is { Pattern: { } pattern, IsAllLinear: false })
        {
            throw reader.Error("layers_to_transform",
                $"chooses blocks, but target_modules is the regular expression \"{pattern}\", which chooses them as well; name the " +
                "layers in a list, or put the blocks into the expression");
        }
        if (config.LayersPattern is { Count: > 0 } && config.LayersToTransform is null)
        {
            throw reader.Error("layers_pattern",
                "says what the list of blocks is called, but layers_to_transform chooses none; set both or neither");
        }
        return config;
    }
}

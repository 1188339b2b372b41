using System.Text;
using System.Text.Json;
using PeftCore.Fuzz.Inputs;
using PeftCore.Peft;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Checks that every field of an adapter_config.json that was accepted without a warning is written again: a missing one was not
/// read.</summary>
internal static class AdapterRoundTrip
{
    // Fields about the file itself, or about the initialisation.
    private static readonly HashSet<string> Free =
    [
        "inference_mode", "peft_version", "auto_mapping", "revision", "base_model_name_or_path", "init_lora_weights", "init_weights",
        "megatron_core", "qalora_group_size", "loftq_config", "corda_config", "eva_config",
        "lora_ga_config", "runtime_config", "tokenizer_kwargs", "tokenizer_name_or_path", "prompt_tuning_init_text", "init_ia3_weights",
    ];

    /// <summary>The first field that was read as something else without a warning; null if there is none.</summary>
    public static string? Difference(PeftConfig config, byte[] given, IReadOnlyCollection<string> warnings, string directory)
    {
        string path = Path.Combine(directory, PeftConfig.FileName);
        config.Save(path);
        var saved = JsonTree.Parse(File.ReadAllText(path));
        foreach (var (key, value) in JsonTree.Parse(WithoutMark(given)).Fields!)
        {
            bool free = Free.Contains(key) || warnings.Any(warning => warning.Contains(key, StringComparison.Ordinal));
            if (!free && !IsNothing(value) && Normal(value) != Normal(saved[key]))
            {
                return $"{key} was read as another value: {value} became {saved[key]}";
            }
        }
        return null;
    }

    private static string WithoutMark(byte[] utf8) => Encoding.UTF8.GetString(utf8).TrimStart('\uFEFF');

    private static bool IsNothing(JsonTree? value) => value is null || value.IsNull || value.Raw is "false" or "\"\""
        || value is { Fields.Count: 0 } or { Items.Count: 0 };

    /// <summary>One text for all writings of a value: numbers as numbers, names in order, a single name as a list of one.</summary>
    private static string Normal(JsonTree? value) => value switch
    {
        null => "null",
        { IsNumber: true } => $"[{value.Number + 0.0:R}]",
        { Items: { } items } =>
            $"[{string.Join(",", items.Select(item => Normal(item).TrimStart('[').TrimEnd(']')).Distinct().Order(StringComparer.Ordinal))}]",
        { Fields: { } fields } =>
            $"{{{string.Join(",", fields.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => $"{field.Key}:{Normal(field.Value)}"))}}}",
        { IsString: true } => $"[{JsonSerializer.Serialize(value.Text)}]",
        _ => value.Raw,
    };
}

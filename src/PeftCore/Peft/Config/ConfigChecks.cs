using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Checks of an adapter_config.json that all methods share.</summary>
internal static class ConfigChecks
{
    private static readonly string[] Tasks = ["SEQ_CLS", "SEQ_2_SEQ_LM", "CAUSAL_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"];

    /// <summary>Fields that Hugging Face PEFT itself ignores in a file.</summary>
    private static readonly HashSet<string> Runtime = ["runtime_config"];

    /// <summary>Warnings about a configuration that was read.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="unknown">Names of fields that are not the method's.</param>
    public static IEnumerable<string> Warnings(PeftConfig config, IEnumerable<string> unknown)
    {
        foreach (string name in unknown)
        {
            yield return $"field \"{name}\" is unknown and ignored";
        }
        if (config.TaskType is { } task && !Tasks.Contains(task))
        {
            yield return $"field \"task_type\" is \"{task}\", which is none of {string.Join(", ", Tasks)}; the adapter is used with a " +
                "causal language model";
        }
        if (config.StartProblem is { } problem && config is not Lora.LoraConfig { OtherInit: not null, IsKnownInit: true })
        {
            yield return $"{problem}; this says only how training began, so it is ignored";
        }
        foreach (string note in config.Notes)
        {
            yield return note;
        }
    }

    /// <summary>Throws for unknown fields that turn something on: an option ("use_…") that is true, or the settings of one ("…_config").
    /// The adapter's output may depend on them.</summary>
    public static void RefuseUnknownOptions(ConfigReader reader, IEnumerable<string> unknown)
    {
        foreach (string name in unknown.Where(name => !Runtime.Contains(name)))
        {
            bool asks = reader.Raw(name) switch
            {
                { ValueKind: JsonValueKind.True } => name.StartsWith("use_", StringComparison.Ordinal),
                { ValueKind: JsonValueKind.Object } settings => name.EndsWith("_config", StringComparison.Ordinal)
                    && settings.EnumerateObject().Any(),
                _ => false,
            };
            if (asks)
            {
                throw reader.Error(name, "asks for something that is not known here, and what the adapter computes may depend on it; " +
                    "remove the field if it says only how the adapter was trained");
            }
        }
    }
}

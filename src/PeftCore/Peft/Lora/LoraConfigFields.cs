using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>The parts of a LoRA adapter_config.json that are more than one value, and those nothing here uses.</summary>
internal static class LoraConfigFields
{
    /// <summary>Fields that must keep these values: anything else asks for a variant that is not supported.</summary>
    private static readonly (string Name, JsonNode? Default)[] Unused =
    [
        ("alora_invocation_tokens", null),
        ("arrow_config", null),
        ("ensure_weight_tying", JsonValue.Create(false)),
        ("kasa_config", null),
        ("layer_replication", null),
        ("megatron_config", null),
        ("megatron_core", JsonValue.Create("megatron.core")),
        ("monteclora_config", null),
        ("qalora_group_size", JsonValue.Create(16)),
        ("target_parameters", null),
        ("use_bdlora", null),
        ("use_qalora", JsonValue.Create(false)),
        ("velora_config", null),
    ];

    /// <summary>Fields whose value does not matter once the adapter is trained.</summary>
    private static readonly HashSet<string> Harmless = ["megatron_core", "qalora_group_size"];

    public static void RefuseUnsupported(ConfigReader config)
    {
        foreach (var (name, value) in Unused)
        {
            if (!Harmless.Contains(name) && config.Raw(name) is { ValueKind: not (JsonValueKind.False or JsonValueKind.Null) } && !IsEmptyList(config, name))
            {
                throw config.Error(name, "asks for a variant of LoRA that is not supported; only its default, " + (value?.ToJsonString() ?? "null") + ", is");
            }
        }
    }

    public static void WriteUnused(JsonObject json)
    {
        foreach (var (name, value) in Unused)
        {
            json[name] = value?.DeepClone();
        }
    }

    public static LoraInit Init(ConfigReader config)
    {
        if (config.Raw("init_lora_weights") is not { } value)
        {
            return LoraInit.Default;
        }
        return value.ValueKind switch
        {
            JsonValueKind.True => LoraInit.Default,
            JsonValueKind.False => LoraInit.Random,
            JsonValueKind.String => Named(config, value.GetString()!),
            _ => throw config.Error("init_lora_weights", "must be true, false or a name"),
        };
    }

    /// <summary>The initialisation of a name, as on the command line.</summary>
    public static LoraInit Named(ConfigReader? config, string name) => name switch
    {
        "true" or "default" => LoraInit.Default,
        "false" => LoraInit.Random,
        "gaussian" => LoraInit.Gaussian,
        "pissa" => LoraInit.Pissa,
        "olora" => LoraInit.Olora,
        "eva" => LoraInit.Eva,
        "corda" => LoraInit.Corda,
        "lora_ga" => LoraInit.LoraGa,
        "loftq" => LoraInit.Loftq,
        // The number says how closely the singular directions are approached; here they are always the exact ones.
        _ when name.StartsWith("pissa_niter_", StringComparison.Ordinal) && NumberText.TryDigits(name.AsSpan("pissa_niter_".Length), out _) => LoraInit.Pissa,
        _ when config is not null => throw config.Error("init_lora_weights", $"is \"{name}\"; supported are true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga and loftq"),
        _ => throw new BadInputException($"init-lora-weights is \"{name}\"; supported are true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga and loftq"),
    };

    public static JsonNode ToJson(LoraInit init) => init switch
    {
        LoraInit.Default => JsonValue.Create(true),
        LoraInit.Random => JsonValue.Create(false),
        LoraInit.Gaussian => JsonValue.Create("gaussian"),
        LoraInit.Pissa => JsonValue.Create("pissa"),
        LoraInit.Eva => JsonValue.Create("eva"),
        LoraInit.Corda => JsonValue.Create("corda"),
        LoraInit.LoraGa => JsonValue.Create("lora_ga"),
        LoraInit.Loftq => JsonValue.Create("loftq"),
        _ => JsonValue.Create("olora"),
    };

    public static IReadOnlyDictionary<string, IReadOnlyList<int>>? Tokens(ConfigReader config)
    {
        const string Field = "trainable_token_indices";
        return config.Raw(Field) switch
        {
            null => null,
            { ValueKind: JsonValueKind.Array } => new Dictionary<string, IReadOnlyList<int>> { [""] = config.IntsOrNull(Field)! },
            _ => ConfigFields.Pattern(config, Field, (o, name) => (IReadOnlyList<int>)(o.IntsOrNull(name) ?? throw o.Error(name, "is null, expected a list of tokens"))).ToDictionary(),
        };
    }

    private static bool IsEmptyList(ConfigReader config, string name) => config.Raw(name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() == 0;
}

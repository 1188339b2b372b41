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
            if (!Harmless.Contains(name) && config.Raw(name) is { ValueKind: not (JsonValueKind.False or JsonValueKind.Null) }
                && !IsEmpty(config, name))
            {
                throw config.Error(name, "asks for a variant of LoRA that is not supported; only its default, " +
                    (value?.ToJsonString() ?? "null") + ", is");
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

    /// <summary>Initialisations of Hugging Face PEFT that only say how training began and are not made here: a trained adapter is a LoRA
    /// like any other.</summary>
    private static readonly HashSet<string> StartOnly = new(StringComparer.OrdinalIgnoreCase) { "orthogonal", "mica" };

    /// <summary>Beginnings of the names whose initialisations change the base, so that a file does not fit the plain one.</summary>
    private static readonly string[] BaseChanging = ["pissa", "olora", "corda", "lora_ga", "loftq"];

    private const string Supported = "supported are true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga and loftq";

    /// <summary>The initialisation of a file, the name it has there if there is none like it here, and what a new adapter and a reader
    /// should know about that.</summary>
    public static (LoraInit Init, string? Other, string? Problem, bool Known) Init(ConfigReader config)
    {
        if (config.Raw("init_lora_weights") is not { } value)
        {
            return (LoraInit.Default, null, null, true);
        }
        switch (value.ValueKind)
        {
            case JsonValueKind.True:
                return (LoraInit.Default, null, null, true);
            case JsonValueKind.False:
                return (LoraInit.Random, null, null, true);
            case JsonValueKind.String:
                break;
            default:
                throw config.Error("init_lora_weights", "must be true, false or a name");
        }
        string name = value.GetString()!;
        if (Find(name) is { } init)
        {
            return (init, null, null, true);
        }
        if (BaseChanging.FirstOrDefault(start => name.StartsWith(start, StringComparison.OrdinalIgnoreCase)) is { } changing)
        {
            throw config.Error("init_lora_weights",
                $"is \"{name}\", which is unknown; as a kind of {changing} it would change the base, so the file does not fit the plain " +
                $"one; {Supported}");
        }
        return (LoraInit.Default, name, $"init_lora_weights is \"{name}\"; {Supported}", StartOnly.Contains(name));
    }

    /// <summary>The initialisation of a name, as on the command line.</summary>
    public static LoraInit Named(string name) => Find(name) ?? throw new BadInputException($"init-lora-weights is \"{name}\"; {Supported}");

    private static LoraInit? Find(string name) => name.ToLowerInvariant() switch
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
        var lower when lower.StartsWith("pissa_niter_", StringComparison.Ordinal)
            && NumberText.TryDigits(lower.AsSpan("pissa_niter_".Length), out _) => LoraInit.Pissa,
        _ => null,
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
            _ => ConfigFields.Pattern(config, Field, (o, name) => (IReadOnlyList<int>)(o.IntsOrNull(name)
                ?? throw o.Error(name, "is null, expected a list of tokens"))).ToDictionary(),
        };
    }

    /// <summary>An empty list asks for nothing, nor does an empty megatron_config; other settings that are empty ask for a variant's
    /// defaults.</summary>
    private static bool IsEmpty(ConfigReader config, string name) => config.Raw(name) switch
    {
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() == 0,
        { ValueKind: JsonValueKind.Object } settings => name == "megatron_config" && !settings.EnumerateObject().Any(),
        _ => false,
    };
}

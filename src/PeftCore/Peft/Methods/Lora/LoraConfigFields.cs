using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>Fields of a LoRA adapter_config.json that take more than one form, and those of variants that are not supported.</summary>
internal static class LoraConfigFields
{
    /// <summary>The initialisation of A and B: a boolean or a name.</summary>
    public static FieldRow<LoraConfig> Init { get; } = new("init_lora_weights",
        "true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga or loftq",
        "Initialisation of A and B; true starts as the base model, false as noise.",
        (c, reader) =>
        {
            var (init, other, problem, known) = ReadInit(reader);
            return c with { Init = init, OtherInit = other, StartProblem = problem, IsKnownInit = known };
        },
        c => c.OtherInit ?? ToJson(c.Init));

    /// <summary>A list of tokens of the input embedding, or an object from embeddings to such lists.</summary>
    public static FieldRow<LoraConfig> TrainableTokens { get; } = new("trainable_token_indices",
        "list of integers, object of such lists, or null",
        "Tokens whose embedding rows train as well, of the input embedding or by the embedding's name.",
        (c, reader) => c with { TrainableTokens = ReadTokens(reader) },
        c => c.TrainableTokens is null ? null
            : c.TrainableTokens.TryGetValue("", out var bare) ? FieldKinds.ToJson(bare)
            : FieldKinds.ToJson(c.TrainableTokens, tokens => FieldKinds.ToJson(tokens)));

    /// <summary>Adds the fields of unsupported variants: a file that turns one on is refused.</summary>
    public static ConfigFields<T> Variants<T>(this ConfigFields<T> fields)
        where T : PeftConfig => fields
        .Variant("alora_invocation_tokens", null, "Activated LoRA.")
        .Variant("arrow_config", null, "Arrow routing.")
        .Variant("kasa_config", null, "KaSA.")
        .Variant("layer_replication", null, "Replicated layers.")
        .Variant("megatron_config", null, "Megatron's parallel layers.", mayBeEmpty: true)
        .Fixed("megatron_core", "megatron.core", "Megatron's module; ignored.", _ => false, "")
        .Variant("monteclora_config", null, "MonteCLoRA.")
        .Fixed("qalora_group_size", 16, "Group size of QA-LoRA; ignored.", _ => false, "")
        .Variant("use_bdlora", null, "BD-LoRA.")
        .Variant("use_qalora", false, "QA-LoRA.")
        .Variant("velora_config", null, "VeLoRA.");

    /// <summary>An unsupported variant of LoRA. An empty list leaves it off; an empty object turns it on with its defaults, unless
    /// <paramref name="mayBeEmpty"/>.</summary>
    private static ConfigFields<T> Variant<T>(this ConfigFields<T> fields, string name, JsonNode? value, string help,
        bool mayBeEmpty = false)
        where T : PeftConfig => fields.Fixed(name, value, help + " Not supported.",
            given => FieldKinds.IsOn(given) && given.ValueKind switch
            {
                JsonValueKind.Array => given.GetArrayLength() > 0,
                JsonValueKind.Object => !mayBeEmpty || given.EnumerateObject().Any(),
                _ => true,
            },
            $"asks for a variant of LoRA that is not supported; only its default, {value?.ToJsonString() ?? "null"}, is");

    /// <summary>Initialisations of Hugging Face PEFT that are not supported for new adapters. A trained adapter does not depend on them, so
    /// its file is accepted.</summary>
    private static readonly HashSet<string> StartOnly = new(StringComparer.OrdinalIgnoreCase) { "orthogonal", "mica" };

    /// <summary>Name prefixes of initialisations that change the base weight, so that a file does not fit the unchanged base.</summary>
    private static readonly string[] BaseChanging = ["pissa", "olora", "corda", "lora_ga", "loftq"];

    private const string Supported = "supported are true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga and loftq";

    /// <summary>Reads the initialisation: its value, its name if it is not supported here, the problem for a new adapter, and whether the
    /// name is known.</summary>
    private static (LoraInit Init, string? Other, string? Problem, bool Known) ReadInit(ConfigReader config)
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
        // The number is that of the iterations of an approximate SVD; here the SVD is always exact.
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

    private static IReadOnlyDictionary<string, IReadOnlyList<int>>? ReadTokens(ConfigReader config)
    {
        const string Field = "trainable_token_indices";
        return config.Raw(Field) switch
        {
            null => null,
            { ValueKind: JsonValueKind.Array } => new Dictionary<string, IReadOnlyList<int>> { [""] = config.IntsOrNull(Field)! },
            _ => FieldKinds.ReadObject(config, Field, (o, name) => (IReadOnlyList<int>)(o.IntsOrNull(name)
                ?? throw o.Error(name, "is null, expected a list of tokens"))).ToDictionary(),
        };
    }
}

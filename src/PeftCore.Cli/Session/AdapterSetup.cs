using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;

namespace PeftCore.Cli.Session;

/// <summary>From flags to the configuration of an adapter. Common settings have flags of their own; any method takes fields of its configuration with
/// --method-options.</summary>
internal static class AdapterSetup
{
    public static PeftConfig ConfigOf(TrainOptions options)
    {
        var fields = MethodSpec.Read(options.MethodOptions);
        var spec = MethodSpec.Of(options.Method, fields);
        var flags = Flags(options);
        if (spec.Method == "lora" && spec.Method == options.Method)
        {
            return flags.Count > 0 ? throw new BadInputException($"--{flags[0].Name.Replace('_', '-')} is not for lora; choose its method with --method")
                : fields.Count == 0 ? Lora(options)
                : throw new BadInputException("--method-options is for methods without flags of their own; LoRA has --lora-r, --lora-alpha and so on");
        }
        foreach (var (name, value) in flags)
        {
            spec.Fields[name] ??= value;
        }
        if (options.TargetModules is { } targets)
        {
            spec.Fields["target_modules"] ??= Selector(targets);
        }
        if (options.ModulesToSave is { } saved)
        {
            spec.Fields["modules_to_save"] ??= Strings(Split(saved));
        }
        return spec.Config(options.Model);
    }

    /// <summary>Places of the context that a method's virtual tokens take.</summary>
    public static int PlacesOf(PeftConfig config) => config is PromptLearningConfig prompt ? prompt.NumVirtualTokens : 0;

    /// <summary>The flags of methods that were given, by the names of their fields.</summary>
    private static List<(string Name, JsonNode Value)> Flags(TrainOptions options)
    {
        var given = new (string Name, JsonNode? Value)[]
        {
            ("num_virtual_tokens", options.NumVirtualTokens),
            ("prompt_tuning_init", options.PromptTuningInit),
            ("prompt_tuning_init_text", options.PromptTuningInitText),
            ("encoder_reparameterization_type", options.EncoderReparameterizationType),
            ("encoder_hidden_size", options.EncoderHiddenSize),
            ("prefix_projection", options.PrefixProjection),
            ("feedforward_modules", options.FeedforwardModules is { } modules ? Selector(modules) : null),
            ("token_indices", options.TokenIndices is { } tokens ? Integers(tokens) : null),
            ("reduction_factor", options.ReductionFactor),
            ("non_linearity", options.NonLinearity),
            ("num_trained_layers", options.NumTrainedLayers),
            ("density", options.Density),
            ("criterion", options.Criterion),
            ("mask", options.Mask),
            ("refine_every", options.RefineEvery),
        };
        return [.. given.Where(flag => flag.Value is not null).Select(flag => (flag.Name, flag.Value!))];
    }

    private static LoraConfig Lora(TrainOptions options) => new()
    {
        Rank = options.LoraR,
        Alpha = options.LoraAlpha,
        Dropout = options.LoraDropout,
        TargetModules = options.TargetModules is { } targets ? ModuleSelector.Parse(targets) : null,
        ModulesToSave = options.ModulesToSave is { } saved ? Split(saved) : null,
        Bias = options.Bias,
        UseRsLora = options.UseRslora,
        UseDora = options.UseDora,
        Init = LoraConfig.ParseInit(options.InitLoraWeights),
        BaseModelNameOrPath = options.Model,
    };

    private static JsonNode Selector(string text)
    {
        var selector = ModuleSelector.Parse(text);
        return selector.Names is { } names ? Strings(names) : JsonValue.Create(selector.Pattern)!;
    }

    private static JsonArray Integers(string text) => [.. Split(text).Select(part => int.TryParse(part, System.Globalization.CultureInfo.InvariantCulture, out int value)
        ? JsonValue.Create(value)
        : throw new BadInputException($"--token-indices: \"{part}\" is no token; write numbers with commas between"))];

    private static JsonArray Strings(IEnumerable<string> values) => [.. values.Select(value => JsonValue.Create(value))];

    private static string[] Split(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Cli.Session;

/// <summary>A flag that is a field of a method's configuration.</summary>
/// <param name="Name">The flag, with dashes.</param>
/// <param name="Field">The field; null if the method has no equivalent.</param>
/// <param name="Value">Its value; null if it was not given.</param>
internal readonly record struct AdapterFlag(string Name, string? Field, JsonNode? Value);

/// <summary>The flags of adapters and the fields they set. A flag sets its field only if it was given, because methods have different
/// defaults.</summary>
internal static class AdapterFlags
{
    private static readonly TrainOptions Defaults = new();

    /// <summary>Flags named after LoRA. They also apply to methods that have the same fields.</summary>
    public static string[] OfLora { get; } = ["lora-r", "lora-alpha", "lora-dropout", "bias", "use-rslora", "use-dora",
        "init-lora-weights"];

    public static bool IsLora(PeftConfig config) => config is LoraConfig;

    /// <summary>The flags that were given.</summary>
    public static IEnumerable<AdapterFlag> Of(TrainOptions options)
    {
        string method = MethodSpec.MethodOf(options.Method);
        JsonNode? Meant<T>(string name, T value, T usual, Func<T, JsonNode?> node) =>
            options.Given.IsMeant(name) || !EqualityComparer<T>.Default.Equals(value, usual) ? node(value) : null;
        AdapterFlag[] flags =
        [
            // AdaLoRA's file has the field r too, but AdaLoRA does not use it.
            new("lora-r", method == "adalora" ? null : "r", Meant("lora-r", options.LoraR, Defaults.LoraR, r => r)),
            new("lora-alpha", method is "loha" or "lokr" ? "alpha" : "lora_alpha",
                Meant("lora-alpha", options.LoraAlpha, Defaults.LoraAlpha, alpha => alpha)),
            new("lora-dropout", "lora_dropout", Meant("lora-dropout", options.LoraDropout, Defaults.LoraDropout, dropout => dropout)),
            new("bias", "bias", Meant("bias", options.Bias, Defaults.Bias, BiasName)),
            new("use-rslora", "use_rslora", Meant("use-rslora", options.UseRslora, Defaults.UseRslora, use => use)),
            new("use-dora", "use_dora", Meant("use-dora", options.UseDora, Defaults.UseDora, use => use)),
            new("init-lora-weights", "init_lora_weights", Meant("init-lora-weights", options.InitLoraWeights, Defaults.InitLoraWeights,
                InitNode)),
            new("target-modules", "target_modules", options.TargetModules is { } targets ? Selector(targets) : null),
            new("exclude-modules", "exclude_modules", options.ExcludeModules is { } excluded ? Selector(excluded) : null),
            new("layers-to-transform", "layers_to_transform",
                options.LayersToTransform is { } layers ? Integers("--layers-to-transform", "layer", layers) : null),
            new("layers-pattern", "layers_pattern", options.LayersPattern is { } lists ? Strings(Split(lists)) : null),
            new("rank-pattern", "rank_pattern", options.RankPattern is { } ranks ? PatternText.Parse("--rank-pattern", ranks) : null),
            new("alpha-pattern", "alpha_pattern",
                options.AlphaPattern is { } alphas ? PatternText.Parse("--alpha-pattern", alphas) : null),
            new("modules-to-save", "modules_to_save", options.ModulesToSave is { } saved ? Strings(Split(saved)) : null),
            new("num-virtual-tokens", "num_virtual_tokens", options.NumVirtualTokens),
            new("prompt-tuning-init", "prompt_tuning_init", options.PromptTuningInit),
            new("prompt-tuning-init-text", "prompt_tuning_init_text", options.PromptTuningInitText),
            new("encoder-reparameterization-type", "encoder_reparameterization_type", options.EncoderReparameterizationType),
            new("encoder-hidden-size", "encoder_hidden_size", options.EncoderHiddenSize),
            new("prefix-projection", "prefix_projection", options.PrefixProjection),
            new("feedforward-modules", "feedforward_modules", options.FeedforwardModules is { } modules ? Selector(modules) : null),
            new("token-indices", "token_indices", options.TokenIndices is { } tokens ? Integers("--token-indices", "token", tokens) : null),
            new("reduction-factor", "reduction_factor", options.ReductionFactor),
            new("non-linearity", "non_linearity", options.NonLinearity),
            new("num-trained-layers", "num_trained_layers", options.NumTrainedLayers),
            new("density", "density", options.Density),
            new("criterion", "criterion", options.Criterion),
            new("mask", "mask", options.Mask),
            new("refine-every", "refine_every", options.RefineEvery),
        ];
        return flags.Where(flag => flag.Value is not null);
    }

    private static JsonValue BiasName(BiasMode bias) =>
        JsonValue.Create(bias switch { BiasMode.LoraOnly => "lora_only", BiasMode.All => "all", _ => "none" })!;

    private static JsonNode InitNode(string init) => init switch
    {
        "true" => true,
        "false" => false,
        _ => init,
    };

    private static JsonNode Selector(string text)
    {
        var selector = ModuleSelector.Parse(text);
        return selector.Names is { } names ? Strings(names) : JsonValue.Create(selector.Pattern)!;
    }

    private static JsonArray Integers(string flag, string what, string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries).Select(part => NumberText.TryDigits(part, out int value)
        ? (JsonNode)JsonValue.Create(value)
        : throw new BadInputException($"{flag}: \"{part}\" is no {what}; write numbers with commas between"))];

    private static JsonArray Strings(IEnumerable<string> values) => [.. values.Select(value => (JsonNode)value)];

    private static string[] Split(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

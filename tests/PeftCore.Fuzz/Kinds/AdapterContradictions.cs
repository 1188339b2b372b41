using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>A way to make an adapter contradict itself or its base.</summary>
/// <param name="Name">The name of the rule.</param>
/// <param name="Types">The methods it applies to, by their "peft_type"; empty for all.</param>
/// <param name="Apply">Changes an adapter and returns the expected outcome; null if the rule does not apply.</param>
internal sealed record AdapterRule(string Name, IReadOnlyList<string> Types, Func<FuzzRandom, AdapterSample, Claim?> Apply);

/// <summary>Contradictions by construction.</summary>
internal static class AdapterContradictions
{
    private static readonly string[] Targeted =
        ["LORA", "IA3", "ADALORA", "VERA", "LOHA", "LOKR", "OFT", "BOFT", "HRA", "SHIRA", "FOURIERFT", "VBLORA", "RANDLORA", "C3A", "MISS"];

    private static readonly string[] WithLayers = ["LORA", "ADALORA", "VERA", "LOHA", "LOKR", "OFT", "BOFT", "HRA", "FOURIERFT", "VBLORA",
        "RANDLORA", "C3A", "MISS"];
    private static readonly string[] Prompts = ["PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"];

    private static readonly AdapterRule[] Rules =
    [
        .. TensorContradictions.Rules(Targeted),
        new("a peft_type nobody knows", [], (random, adapter) =>
        {
            adapter.Config.Set("peft_type", random.Pick("\"LORA2\"", "\"lora\"", "\"\"", "null", "7", "[\"LORA\"]", "\"POLY\"",
                "\"XLORA\""));
            return Claim.Impossible;
        }),
        new("another method's peft_type", Targeted, (random, adapter) =>
        {
            adapter.Config["peft_type"] = JsonTree.Of(random.Pick(Targeted.Where(type => type != adapter.PeftType && type != "ADALORA")
                .ToArray()));
            return Claim.Impossible;
        }),
        new("a task nobody knows", [], Set("task_type", "\"FOO\"", "\"causal_lm\"", "7", "[\"CAUSAL_LM\"]")),
        new("targets that leave tensors over", Targeted, (random, adapter) =>
        {
            adapter.Config.Set("target_modules", random.Pick("[\"k_proj\"]", "[]", "\"\"", "[\"nothing\"]", "\".*nothing\"", "\"(\"",
                "[\"o_proj\", \"k_proj\"]", "{}", "7", "[7]"));
            return Claim.Impossible;
        }),
        new("more targets than tensors", Targeted, (random, adapter) =>
        {
            if (adapter.Name is "lora_all_linear")
            {
                return null;
            }
            adapter.Config.Set("target_modules", adapter.Family == "llama" ? "\"all-linear\"" : "[\"c_attn\", \"mlp.c_proj\", \"c_fc\"]");
            return Claim.Impossible;
        }),
        new("the targets are excluded", ["LORA", "OFT", "BOFT", "HRA", "FOURIERFT", "VBLORA", "MISS", "IA3", "LOHA", "LOKR", "ADALORA"],
            (random, adapter) =>
        {
            if (adapter.Config["target_modules"] is not { Items: { Count: > 0 } targets })
            {
                return null;
            }
            adapter.Config.Set("exclude_modules", $"[{random.Pick(targets)}]");
            return Claim.Impossible;
        }),
        new("layers that leave tensors over", WithLayers, (random, adapter) =>
        {
            if (adapter.Name is "lora_layers" or "lora_regex")
            {
                return null;
            }
            adapter.Config.Set("layers_to_transform", random.Pick("[0]", "0", "[1]", "[7]", "[-1]", "\"0\"", "[0.5]"));
            return Claim.Impossible;
        }),
        new("layers_pattern without layers_to_transform", WithLayers, (random, adapter) =>
        {
            adapter.Config.Set("layers_to_transform", "null");
            adapter.Config.Set("layers_pattern", random.Pick("\"layers\"", "\"h\"", "[\"layers\"]", "\"blocks\""));
            return adapter.Name is "lora_layers" ? Claim.Impossible : Claim.About("layers_pattern", "layers_to_transform");
        }),
        new("layers_to_transform beside a pattern for whole paths", ["LORA"], (random, adapter) =>
        {
            if (adapter.Name != "lora_regex")
            {
                return null;
            }
            adapter.Config.Set("layers_to_transform", "[1]");
            return Claim.About("layers_to_transform", "target_modules");
        }),
        new("saved modules that are not in the file", [.. Targeted, "LN_TUNING"], (random, adapter) =>
        {
            adapter.Config.Set("modules_to_save", adapter.Name == "lora_modules_to_save"
                ? "[\"lm_head\", \"norm\"]" : random.Pick("[\"lm_head\"]", "[\"mlp\"]", "[\"nothing\"]",
                    "\"lm_head\"", "[7]"));
            return Claim.Impossible;
        }),
        new("a bias nobody knows", ["LORA", "BOFT", "OFT", "HRA", "VERA", "MISS", "C3A", "FOURIERFT", "VBLORA", "RANDLORA"],
            Impossible("bias", "\"foo\"", "true", "7", "\"ALL\"", "[\"all\"]")),
        new("weights stored the other way", ["LORA", "VERA", "IA3", "OFT", "BOFT", "FOURIERFT", "VBLORA", "RANDLORA", "SHIRA"],
            (random, adapter) =>
        {
            if (adapter.Config["fan_in_fan_out"] is not { IsBool: true } before
                || adapter.Tensors.Exists(tensor => tensor.Name.Contains("embed", StringComparison.Ordinal)
                    || tensor.Name.Contains("wte", StringComparison.Ordinal)))
            {
                return null;
            }
            adapter.Config.Set("fan_in_fan_out", before.Raw == "true" ? "false" : "true");
            return Claim.About("fan_in_fan_out");
        }),
        new("another number of virtual tokens", Prompts, Impossible("num_virtual_tokens", "4", "6", "0", "-5", "5.5", "\"5\"", "null",
            "1000000")),
        new("virtual tokens of another width", Prompts, Set("token_dim", "33", "16.5", "64", "1")),
        new("virtual tokens for another number of layers", Prompts, Set("num_layers", "1", "3", "12")),
        new("virtual tokens for other heads", ["PREFIX_TUNING"], Set("num_attention_heads", "1", "3", "16")),
        new("virtual tokens for an encoder and a decoder", Prompts, Set("num_transformer_submodules", "2", "3", "0")),
        .. MethodContradictions.Rules,
    ];

    private static readonly Dictionary<string, AdapterRule[]> ByType = AdapterSample.All.Select(sample => sample.PeftType).Distinct()
        .ToDictionary(type => type, type => Rules.Where(rule => rule.Types.Count == 0 || rule.Types.Contains(type)).ToArray());

    public static IReadOnlyList<AdapterRule> For(string type) => ByType[type];

    /// <summary>Sets a field to one of several values, each of which contradicts the rest.</summary>
    public static Func<FuzzRandom, AdapterSample, Claim?> Set(string field, params string[] values) =>
        (random, adapter) => Replace(random, adapter, field, values) ? Claim.About(field) : null;

    /// <summary>Sets a field to one of several invalid values.</summary>
    public static Func<FuzzRandom, AdapterSample, Claim?> Impossible(string field, params string[] values) =>
        (random, adapter) => Replace(random, adapter, field, values) ? Claim.Impossible : null;

    private static bool Replace(FuzzRandom random, AdapterSample adapter, string field, string[] values)
    {
        string value = random.Pick(values);
        if (adapter.Config[field]?.Raw == value)
        {
            return false;
        }
        adapter.Config.Set(field, value);
        return true;
    }
}

using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>A way to make a configuration contradict itself or its weights.</summary>
/// <param name="Name">The name of the rule.</param>
/// <param name="Families">The families it applies to, by their "model_type"; empty for all.</param>
/// <param name="Apply">Changes a configuration and returns the expected outcome.</param>
internal sealed record ConfigRule(string Name, IReadOnlyList<string> Families, Func<FuzzRandom, JsonTree, Claim> Apply);

/// <summary>Contradictions by construction.</summary>
internal static class ConfigContradictions
{
    private static readonly string[] All = [];
    private static readonly string[] Llamas = ["llama", "mistral", "qwen2", "qwen3"];
    private static readonly string[] Qwens = ["qwen2", "qwen3"];

    private static readonly ConfigRule[] Rules =
    [
        .. RopeContradictions.Rules(Llamas),
        new("dtype beside another torch_dtype", All, (random, config) =>
        {
            config.Set("torch_dtype", random.Pick("\"bfloat16\"", "\"float16\"", "\"float64\"", "\"bf16\""));
            return Claim.About("dtype");
        }),
        new("a dtype that is none", All, (random, config) =>
        {
            string name = random.OnceIn(2) ? "dtype" : "torch_dtype";
            config.Remove("dtype");
            config.Set(name, random.Pick("\"float31\"", "32", "true", "[\"float32\"]", "\"\""));
            return Claim.About("dtype");
        }),
        new("architectures of another family", All, (random, config) =>
        {
            string own = config["architectures"]!.Items![0].Text;
            string other = random.Pick(new[] { "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
                "GPT2LMHeadModel", "BertForMaskedLM", "T5ForConditionalGeneration" }
                .Where(name => name != own).ToArray());
            config.Set("architectures", $"[\"{other}\"]");
            return Claim.About("architectures", "model_type");
        }),
        new("tables tied by the configuration, different in the file", ["llama", "mistral", "qwen3"], (_, config) =>
        {
            config.Set("tie_word_embeddings", "true");
            return Claim.About("tie_word_embeddings", "lm_head");
        }),
        new("a head that is not tied and not in the file", ["qwen2", "gpt2"], (_, config) =>
        {
            config.Set("tie_word_embeddings", "false");
            return Claim.Impossible;
        }),
        new("a quantisation of weights that are plain", All, (random, config) =>
        {
            config.Set("quantization_config", random.Pick(
                "{\"quant_method\": \"gptq\", \"bits\": 4}", "{\"quant_method\": \"awq\", \"bits\": 4}",
                "{\"load_in_4bit\": true, \"quant_method\": \"bitsandbytes\"}", "{\"quant_method\": \"fp8\"}"));
            return Claim.About("quantization_config", "quantised", "quantized");
        }),
        new("an encoder", All, (random, config) =>
        {
            string field = random.Pick("is_encoder_decoder", "add_cross_attention");
            config.Set(field, "true");
            return Claim.About(field);
        }),
        new("an alias of GPT-2 with another value", ["gpt2"], (random, config) =>
        {
            var (alias, own) = random.Pick(("hidden_size", "n_embd"), ("num_attention_heads", "n_head"), ("num_hidden_layers", "n_layer"),
                ("max_position_embeddings", "n_positions"));
            config[alias] = JsonTree.Of(config[own]!.Number * random.Pick(2, 4, 0.5));
            return Claim.About(alias, own);
        }),
        new("heads that do not divide the columns", All, (random, config) =>
        {
            config.Remove("head_dim");
            config.Set(config.Has("n_head") ? "n_head" : "num_attention_heads", random.Pick("3", "5", "7", "33"));
            return Claim.Impossible;
        }),
        new("key heads that do not divide the heads", Llamas, (random, config) =>
        {
            config.Set("num_key_value_heads", random.Pick("3", "5", "8", "0", "-2"));
            return Claim.Impossible;
        }),
        new("a head_dim that the weights contradict", Llamas, (random, config) =>
        {
            config.Set("head_dim", random.Pick("4", "16", "32", "7", "1", "0"));
            return Claim.Impossible;
        }),
        new("biases that the weights lack", ["llama", "qwen3"], (random, config) =>
        {
            config.Set("attention_bias", "true");
            return Claim.Impossible;
        }),
        new("layer_types of another length", Qwens, (random, config) =>
        {
            config.Set("layer_types", random.Pick("[\"full_attention\"]", "[\"full_attention\", \"full_attention\", \"full_attention\"]",
                "[]"));
            return Claim.About("layer_types");
        }),
        new("layer_types nobody knows", Qwens, (random, config) =>
        {
            config.Set("layer_types", random.Pick("[\"full_attention\", \"linear_attention\"]", "[\"full\", \"full\"]",
                "[\"chunked_attention\", \"full_attention\"]", "[\"\", \"\"]", "\"full_attention\""));
            return Claim.About("layer_types");
        }),
        new("layers with a window, and no window", Qwens, (random, config) =>
        {
            config.Set("layer_types", "[\"full_attention\", \"sliding_attention\"]");
            config.Set("use_sliding_window", random.Pick("true", "false"));
            config.Set("sliding_window", "null");
            return Claim.About("layer_types", "sliding_window");
        }),
        new("layers with a window that is turned off", Qwens, (random, config) =>
        {
            config.Set("layer_types", random.Pick("[\"full_attention\", \"sliding_attention\"]",
                "[\"sliding_attention\", \"sliding_attention\"]"));
            config.Set("sliding_window", "5");
            config.Set("use_sliding_window", "false");
            return Claim.About("layer_types", "sliding_window");
        }),
        new("a window in other layers than layer_types says", Qwens, (random, config) =>
        {
            config.Set("layer_types", "[\"full_attention\", \"full_attention\"]");
            config.Set("sliding_window", "5");
            config.Set("use_sliding_window", "true");
            config.Set("max_window_layers", random.Pick("0", "1"));
            return Claim.About("layer_types", "max_window_layers", "sliding_window");
        }),
        new("layers with a window in a family without", ["llama"], (random, config) =>
        {
            config.Set("layer_types", "[\"full_attention\", \"sliding_attention\"]");
            config.Set("sliding_window", "5");
            return Claim.About("layer_types", "sliding_window");
        }),
        new("a window in a family without", ["llama", "gpt2"], (random, config) =>
        {
            config.Set("sliding_window", random.Pick("5", "4", "1"));
            return Claim.About("sliding_window");
        }),
        new("a window of no length", ["mistral"], (random, config) =>
        {
            config.Set("sliding_window", random.Pick("0", "-1", "0.5", "true", "\"5\""));
            return Claim.Impossible;
        }),
        new("a window that is there and turned off", ["mistral"], (random, config) =>
        {
            config.Set("use_sliding_window", "false");
            return Claim.About("sliding_window");
        }),
    ];

    public static IReadOnlyList<ConfigRule> For(string family) => ByFamily[family];

    private static readonly Dictionary<string, ConfigRule[]> ByFamily = new[] { "llama", "mistral", "qwen2", "qwen3", "gpt2" }
        .ToDictionary(family => family, family => Rules.Where(rule => rule.Families.Count == 0 || rule.Families.Contains(family))
            .ToArray());
}

using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>Configurations of tiny models with experts, latent attention or delta layers, and models of seeded random weights.</summary>
internal static class TinyMixtures
{
    public const int Vocabulary = 31;

    public static IReadOnlyList<string> Families { get; } = ["qwen3_moe", "mixtral", "gpt_oss", "deepseek_v3", "qwen3_5_text"];

    public static JsonObject Config(string family)
    {
        var config = new JsonObject
        {
            ["model_type"] = family,
            ["vocab_size"] = Vocabulary,
            ["hidden_size"] = 64,
            ["intermediate_size"] = 32,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = family == "deepseek_v3" ? 4 : 2,
            ["max_position_embeddings"] = 64,
            ["num_experts_per_tok"] = 2,
            ["moe_intermediate_size"] = 24,
        };
        JsonObject own = family switch
        {
            "qwen3_moe" => new()
            {
                ["head_dim"] = 8,
                ["num_experts"] = 5,
                ["norm_topk_prob"] = false,
                ["mlp_only_layers"] = new JsonArray(0),
            },
            "mixtral" => new() { ["num_local_experts"] = 4 },
            "gpt_oss" => new() { ["head_dim"] = 8, ["num_local_experts"] = 4, ["sliding_window"] = 3 },
            "deepseek_v3" => new()
            {
                ["n_routed_experts"] = 8,
                ["n_group"] = 4,
                ["topk_group"] = 2,
                ["first_k_dense_replace"] = 1,
                ["q_lora_rank"] = 16,
                ["kv_lora_rank"] = 8,
                ["qk_nope_head_dim"] = 6,
                ["qk_rope_head_dim"] = 4,
                ["v_head_dim"] = 8,
            },
            _ => new()
            {
                ["head_dim"] = 8,
                ["partial_rotary_factor"] = 0.5,
                ["layer_types"] = new JsonArray("linear_attention", "full_attention"),
                ["linear_num_key_heads"] = 2,
                ["linear_num_value_heads"] = 4,
                ["linear_key_head_dim"] = 8,
                ["linear_value_head_dim"] = 6,
            },
        };
        foreach (var (name, value) in own.ToList())
        {
            own.Remove(name);
            config[name] = value;
        }
        return config;
    }

    public static TransformerModel Declare(JsonObject config, ICollection<string>? warnings = null) =>
        ModelLoader.Declare(ConfigReader.Parse(config.ToJsonString(), "config.json"), warnings);

    public static TransformerModel Model(string family, Backend backend)
    {
        var model = Declare(Config(family));
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        return model;
    }

    public static float[] Logits(TransformerModel model, Backend backend)
    {
        using var scope = new TensorScope();
        int[] ids = [.. Enumerable.Range(0, 14).Select(i => (i * 11 + 3) % Vocabulary)];
        return model.Logits(ModelInputs.From(backend, ids, 2)).ToFloats();
    }
}

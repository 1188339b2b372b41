using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Fields of other families in a configuration. A field that would change the results is refused unless its value is neutral; a
/// size under another family's name is compared with the family's own field.</summary>
internal static class ForeignFields
{
    // Factors and switches of other families, with their neutral values.
    private static readonly (string Name, double[] Neutral)[] Switches =
    [
        ("logit_scale", [1]), ("logits_scaling", [1]), ("logits_scale", [1]), ("lm_head_multiplier", [1]),
        ("embedding_multiplier", [1]), ("residual_multiplier", [1]),
        ("key_multiplier", [1]), ("attention_in_multiplier", [1]), ("attention_out_multiplier", [1]), ("scale_emb", [1]),
        ("mup_width_scale", [1]),
        ("scale_depth", []), ("dim_model_base", []), ("mup_embeddings_scale", [1]), ("mup_output_alpha", [1]),
        ("emb_scale_by_sqrt_dim", [0]), ("scale_embedding", [0]),
        ("normalize_embedding", [0]), ("attn_logit_softcapping", [0]), ("final_logit_softcapping", [0]), ("logits_soft_cap", [0]),
        ("clip_qkv", []),
        ("use_qk_norm", [0]), ("qk_norm", [0]), ("qk_layernorm", [0]), ("use_parallel_residual", [0]), ("parallel_residual", [0]),
        ("parallel_attn", [0]),
        ("alibi", [0]), ("use_alibi", [0]), ("rope_interleave", [0]), ("rope_interleaved", [0]),
        ("partial_rotary_factor", [1]), ("rotary_pct", [1]), ("rotary_percent", [1]),
        ("is_causal", [1]), ("use_bidirectional_attention", [0]), ("is_encoder_decoder", [0]), ("add_cross_attention", [0]),
        ("attn_temperature_tuning", [0]),
        ("num_experts", [0, 1]), ("num_local_experts", [0, 1]), ("n_routed_experts", [0]), ("num_kv_shared_layers", [0]),
        ("attention_chunk_size", []), ("kv_lora_rank", []), ("q_lora_rank", []), ("no_rope_layer_interval", [0]),
        ("rope_local_base_freq", []),
        ("global_rope_theta", []), ("local_rope_theta", []), ("sliding_window_pattern", [1]),
        ("apply_residual_connection_post_layernorm", [0]),
        ("do_layer_norm_before", [1]), ("attn_output_gate", [0]), ("multi_query", [0]), ("layernorm_zero_centered_gamma", [0]),
        ("text_config", []), ("per_layer_config", []),
    ];

    private static readonly string[] LearnedPositions = ["absolute", "learned", "learned_absolute"];
    private static readonly string[] RotaryPositions = ["rope", "rotary"];

    /// <summary>Refuses fields that would change the results.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="family">The family, for the error message.</param>
    /// <param name="own">Names that the family reads.</param>
    /// <param name="further">Further names with their neutral values.</param>
    public static void Refuse(ConfigReader config, string family, string[] own,
        params ReadOnlySpan<(string Name, double[] Neutral)> further)
    {
        foreach (var (name, neutral) in (ReadOnlySpan<(string, double[])>)[.. Switches, .. further])
        {
            if (!own.Contains(name) && config.Raw(name) is { } value && !IsNeutral(value, neutral))
            {
                throw config.Error(name,
                    $"is {ConfigReader.Describe(value)}: {family} models have no such thing, and it would change the results; " +
                    $"expected it to be absent{(neutral.Length > 0 ? $" or {Shown(value, neutral[0])}" : "")}");
            }
        }
        bool learned = family == "gpt2";
        if (!own.Contains("position_embedding_type") && config.Raw("position_embedding_type") is { ValueKind: JsonValueKind.String } kind
            && !(learned ? LearnedPositions : RotaryPositions).Contains(kind.GetString()))
        {
            throw config.Error("position_embedding_type",
                $"is {ConfigReader.Describe(kind)}, but {family} models have {(learned ? "learned" : "rotary")} positions");
        }
        if (!own.Contains("no_rope_layers") && config.Raw("no_rope_layers") is { ValueKind: JsonValueKind.Array } layers
            && layers.EnumerateArray().Any(layer => Number(layer) != 1))
        {
            throw config.Error("no_rope_layers", $"leaves positions out of some blocks, which {family} models do not");
        }
    }

    /// <summary>Warns if another family's name of a size has another value; that name is ignored.</summary>
    public static void Compare(ConfigReader config, ICollection<string>? warnings, params ReadOnlySpan<(string Own, string[] Others)> names)
    {
        foreach (var (own, others) in names)
        {
            foreach (string other in others)
            {
                if (config.Raw(own) is { } value && config.Raw(other) is { } second && !JsonElement.DeepEquals(value, second))
                {
                    warnings?.Add(config.Sentence(other,
                        $"is {ConfigReader.Describe(second)}, but \"{own}\" is {ConfigReader.Describe(value)}, which counts; " +
                        $"\"{other}\" is another family's name and is ignored"));
                }
            }
        }
    }

    private static bool IsNeutral(JsonElement value, double[] neutral) =>
        Number(value) is { } number && neutral.Any(n => Math.Abs(n - number) <= 1e-6 * Math.Abs(n));

    private static string Shown(JsonElement value, double neutral) => value.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? neutral != 0 ? "true" : "false" : neutral.ToString("R", System.Globalization.CultureInfo.InvariantCulture);

    private static double? Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.Number when value.TryGetDouble(out double number) => number,
        _ => null,
    };
}

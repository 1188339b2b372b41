using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>Hugging Face PEFT's default target modules.</summary>
internal static class DefaultTargets
{
    /// <param name="modelType">The family, as model_type in config.json.</param>
    /// <param name="peftType">The method, as peft_type in adapter_config.json.</param>
    public static ModuleSelector For(string modelType, string peftType) => (modelType, peftType) switch
    {
        ("gpt2", "IA3") => ModuleSelector.Of("c_attn", "mlp.c_proj"),
        ("gpt2", "LN_TUNING") => ModuleSelector.Of("ln_1", "ln_2", "ln_f"),
        ("t5", "IA3") => ModuleSelector.Of("k", "v", "wo"),
        ("mt5", "IA3") => ModuleSelector.Of("k", "v", "wi_1"),
        ("bart" or "mbart" or "pegasus", "IA3") => ModuleSelector.Of("q_proj", "v_proj", "fc2"),
        ("t5" or "mt5", "LN_TUNING") => ModuleSelector.Of("layer_norm", "final_layer_norm"),
        ("bart" or "mbart" or "pegasus", "LN_TUNING") =>
            ModuleSelector.Of("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
        ("t5", "ADALORA" or "VBLORA") => ModuleSelector.Of("q", "k", "v", "o", "wi", "wo"),
        ("mt5", "ADALORA" or "VBLORA") => ModuleSelector.Of("q", "k", "v", "o", "wi_0", "wi_1", "wo"),
        ("bart" or "mbart" or "pegasus", "ADALORA" or "VBLORA") =>
            ModuleSelector.Of("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
        ("vit" or "clip", "IA3") => ModuleSelector.Of("k_proj", "v_proj", "fc2"),
        ("vit", "LN_TUNING") => ModuleSelector.Of("layernorm_before", "layernorm_after", "layernorm"),
        ("dinov2", "IA3") => ModuleSelector.Of("key", "value", "fc2"),
        ("dinov2", "LN_TUNING") => ModuleSelector.Of("norm1", "norm2", "layernorm"),
        ("clip", "LN_TUNING") =>
            ModuleSelector.Of("layer_norm1", "layer_norm2", "pre_layrnorm", "post_layernorm", "final_layer_norm"),
        ("bert" or "roberta" or "xlm-roberta" or "electra" or "layoutlm" or "layoutlmv3", "IA3") => ModuleSelector.Of("key", "value", "output.dense"),
        ("layoutlmv3", "LN_TUNING") => ModuleSelector.Of("LayerNorm", "norm"),
        ("bert" or "roberta" or "xlm-roberta" or "electra" or "deberta-v2" or "layoutlm", "LN_TUNING") => ModuleSelector.Of("LayerNorm"),
        ("roberta", "ADALORA") => ModuleSelector.Of("query", "key", "value", "dense"),
        ("deberta-v2", "IA3") => ModuleSelector.Of("key_proj", "value_proj", "output.dense"),
        ("deberta-v2", "ADALORA" or "VBLORA") => ModuleSelector.Of("query_proj", "key_proj", "value_proj", "dense"),
        ("distilbert", "IA3") => ModuleSelector.Of("k_lin", "v_lin", "lin2"),
        ("distilbert", "LN_TUNING") => ModuleSelector.Of("sa_layer_norm", "output_layer_norm"),
        ("albert", "IA3") => ModuleSelector.Of("key", "value", "ffn_output"),
        ("albert", "LN_TUNING") => ModuleSelector.Of("LayerNorm", "full_layer_layer_norm"),
        ("modernbert", "IA3") => ModuleSelector.Of("Wqkv", "mlp.Wo"),
        ("modernbert", "LN_TUNING") => ModuleSelector.Of("attn_norm", "mlp_norm", "final_norm"),
        ("llama" or "mistral", "IA3") => ModuleSelector.Of("k_proj", "v_proj", "down_proj"),
        (_, "IA3") => ModuleSelector.Of("q_proj", "v_proj", "down_proj"),
        ("qwen2" or "qwen3", "LN_TUNING") => ModuleSelector.Of("post_attention_layernorm"),
        (_, "LN_TUNING") => ModuleSelector.Of("input_layernorm", "post_attention_layernorm", "norm"),
        ("gpt2", "FOURIERFT" or "C3A") => ModuleSelector.Of("mlp.c_proj"),
        _ => ModelFamilies.Find(modelType)?.TargetModules is { Count: > 0 } names ? ModuleSelector.Of(names)
            : throw new BadInputException($"{modelType} models have no usual target modules; name some in target_modules"),
    };

    /// <summary>Default feed-forward modules of (IA)³: the output layers of the MLPs.</summary>
    public static ModuleSelector FeedforwardFor(string modelType) => modelType switch
    {
        "gpt2" => ModuleSelector.Of("mlp.c_proj"),
        "t5" => ModuleSelector.Of("wo"),
        "mt5" => ModuleSelector.Of(),
        "bart" or "mbart" or "pegasus" or "vit" or "dinov2" or "clip" => ModuleSelector.Of("fc2"),
        "bert" or "roberta" or "xlm-roberta" or "electra" or "deberta-v2" or "layoutlm" or "layoutlmv3" => ModuleSelector.Of("output.dense"),
        "distilbert" => ModuleSelector.Of("lin2"),
        "albert" => ModuleSelector.Of("ffn_output"),
        "modernbert" => ModuleSelector.Of("mlp.Wo"),
        _ => ModuleSelector.Of("down_proj"),
    };
}

using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>The target modules of a configuration that names none, by family and method: those of Hugging Face PEFT where it has some
/// (peft/utils/constants.py), and for other families what its method's paper changes.</summary>
internal static class DefaultTargets
{
    private const string Ia3 = "IA3", LnTuning = "LN_TUNING", AdaLora = "ADALORA", VbLora = "VBLORA";

    private static readonly string[] EncoderOutput = ["output.dense"], EncoderNorm = ["LayerNorm"];

    private static readonly string[] PreNorms = ["input_layernorm", "post_attention_layernorm", "norm"];

    private static readonly string[] GemmaNorms =
        ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm", "norm"];

    private static readonly string[] OptLayers = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"];

    private static readonly Row Bart = new(["q_proj", "v_proj", "fc2"], ["fc2"],
        ["self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"], (AdaLora, OptLayers), (VbLora, OptLayers));

    private static readonly Row Bert = new(["key", "value", "output.dense"], EncoderOutput, EncoderNorm);

    private static readonly Row Gemma2 = new(["q_proj", "v_proj", "down_proj"], ["down_proj"], GemmaNorms);

    private static readonly Row Llama = new(["k_proj", "v_proj", "down_proj"], ["down_proj"], PreNorms);

    private static readonly Row Olmo = new(["q_proj", "v_proj", "down_proj"], ["down_proj"],
        ["post_attention_layernorm", "post_feedforward_layernorm", "norm"]);

    private static readonly Row Cohere = new(["q_proj", "v_proj", "down_proj"], ["down_proj"], ["input_layernorm", "norm"]);

    private static readonly Row Qwen = new(["q_proj", "v_proj", "down_proj"], ["down_proj"], ["post_attention_layernorm"]);

    // Experts are one parameter of all matrices, which no vector rescales.
    private static readonly Row Mixture = new(["q_proj", "v_proj"], [], PreNorms);

    private static readonly Row SiglipTower = new(["k_proj", "v_proj", "fc2"], ["fc2"], ["layer_norm1", "layer_norm2", "post_layernorm"]);

    private static readonly Dictionary<string, Row> Rows = new(StringComparer.Ordinal)
    {
        ["albert"] = new(["key", "value", "ffn_output"], ["ffn_output"], ["LayerNorm", "full_layer_layer_norm"]),
        ["bart"] = Bart,
        ["bert"] = Bert,
        ["bloom"] = new(["query_key_value", "mlp.dense_4h_to_h"], ["mlp.dense_4h_to_h"],
            ["input_layernorm", "post_attention_layernorm", "ln_f"]),
        ["clip"] = new(["k_proj", "v_proj", "fc2"], ["fc2"],
            ["layer_norm1", "layer_norm2", "pre_layrnorm", "post_layernorm", "final_layer_norm"]),
        ["clip_text_model"] = new(["k_proj", "v_proj", "fc2"], ["fc2"], ["layer_norm1", "layer_norm2", "final_layer_norm"]),
        ["cohere"] = Cohere,
        ["cohere2"] = Cohere,
        ["deberta-v2"] = new(["key_proj", "value_proj", "output.dense"], EncoderOutput, EncoderNorm,
            (AdaLora, ["query_proj", "key_proj", "value_proj", "dense"]), (VbLora, ["query_proj", "key_proj", "value_proj", "dense"])),
        ["deepseek_v3"] = new(["kv_b_proj", "down_proj"], ["down_proj"], PreNorms),
        ["dinov2"] = new(["key", "value", "fc2"], ["fc2"], ["norm1", "norm2", "layernorm"]),
        ["distilbert"] = new(["k_lin", "v_lin", "lin2"], ["lin2"], ["sa_layer_norm", "output_layer_norm"]),
        ["electra"] = Bert,
        ["falcon"] = new(["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"],
            ["input_layernorm", "post_attention_layernorm", "ln_attn", "ln_mlp", "ln_f"]), // PEFT lacks those of the new architecture.
        ["gemma"] = new(["q_proj", "v_proj", "down_proj"], ["down_proj"], PreNorms),
        ["gemma2"] = Gemma2,
        ["gemma3_text"] = Gemma2,
        ["glm4"] = new(["q_proj", "v_proj", "down_proj"], ["down_proj"],
            ["input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm", "norm"]),
        ["gpt2"] = new(["c_attn", "mlp.c_proj"], ["mlp.c_proj"], ["ln_1", "ln_2", "ln_f"], ("FOURIERFT", ["mlp.c_proj"]),
            ("C3A", ["mlp.c_proj"])),
        ["gpt_neo"] = new(["q_proj", "v_proj", "c_proj"], ["c_proj"], ["ln_1", "ln_2", "ln_f"]),
        ["gpt_neox"] = new(["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"],
            ["input_layernorm", "post_attention_layernorm", "final_layer_norm"]),
        ["gpt_oss"] = Mixture,
        ["gptj"] = new(["q_proj", "v_proj", "fc_out"], ["fc_out"], ["ln_1", "ln_f"]),
        ["layoutlm"] = Bert,
        ["layoutlmv3"] = new(["key", "value", "output.dense"], EncoderOutput, ["LayerNorm", "norm"]),
        ["llama"] = Llama,
        ["mbart"] = Bart,
        ["mistral"] = Llama,
        ["mixtral"] = new(["k_proj", "v_proj"], [], PreNorms),
        ["modernbert"] = new(["Wqkv", "mlp.Wo"], ["mlp.Wo"], ["attn_norm", "mlp_norm", "final_norm"]),
        ["mpt"] = new(["Wqkv", "down_proj"], ["down_proj"], ["norm_1", "norm_2", "norm_f"]),
        ["mt5"] = new(["k", "v", "wi_1"], [], ["layer_norm", "final_layer_norm"],
            (AdaLora, ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]), (VbLora, ["q", "k", "v", "o", "wi_0", "wi_1", "wo"])),
        ["olmo2"] = Olmo,
        ["olmo3"] = Olmo,
        ["opt"] = new(["q_proj", "k_proj", "fc2"], ["fc2"], ["self_attn_layer_norm", "final_layer_norm"], (AdaLora, OptLayers),
            (VbLora, OptLayers)),
        ["pegasus"] = Bart,
        ["phi"] = new(["q_proj", "v_proj", "fc2"], ["fc2"], ["input_layernorm", "final_layernorm"], ("VERA", ["q_proj", "v_proj"]),
            ("SHIRA", ["q_proj", "v_proj"])),
        ["phi3"] = new(["qkv_proj", "down_proj"], ["down_proj"], PreNorms),
        ["qwen2"] = Qwen,
        ["qwen3"] = Qwen,
        ["qwen3_moe"] = Mixture,
        ["roberta"] = new(["key", "value", "output.dense"], EncoderOutput, EncoderNorm, (AdaLora, ["query", "key", "value", "dense"])),
        ["siglip"] = SiglipTower,
        ["siglip_vision_model"] = SiglipTower,
        ["starcoder2"] = new(["q_proj", "v_proj", "c_proj"], ["c_proj"], PreNorms),
        ["t5"] = new(["k", "v", "wo"], ["wo"], ["layer_norm", "final_layer_norm"], (AdaLora, ["q", "k", "v", "o", "wi", "wo"]),
            (VbLora, ["q", "k", "v", "o", "wi", "wo"])),
        ["vit"] = new(["k_proj", "v_proj", "fc2"], ["fc2"], ["layernorm_before", "layernorm_after", "layernorm"]),
        ["wav2vec2"] = new(["k_proj", "v_proj", "output_dense"], ["output_dense"],
            ["feature_projection.layer_norm", "encoder.layer_norm", "final_layer_norm"]), // A group norm is called layer_norm too.
        ["whisper"] = Bart,
        ["xlm-roberta"] = Bert,
        ["UNet2DConditionModel"] = new(["to_k", "to_v", "ff.net.2"], ["ff.net.2"],
            ["transformer_blocks.0.norm1", "transformer_blocks.0.norm2", "transformer_blocks.0.norm3"]),
    };

    // A family without a row of its own has LLaMA's names, or names its targets itself.
    private static readonly Row Other = new(["q_proj", "v_proj", "down_proj"], ["down_proj"], PreNorms);

    /// <summary>The targets of a method in a family: of the table, or those that the family is registered with.</summary>
    /// <param name="modelType">The family, as model_type in config.json.</param>
    /// <param name="peftType">The method, as peft_type in adapter_config.json.</param>
    /// <exception cref="BadInputException">The family has none.</exception>
    public static ModuleSelector For(string modelType, string peftType) =>
        RowOf(modelType).Of(peftType) is { } names ? ModuleSelector.Of(names)
        : ModelFamilies.Find(modelType)?.TargetModules is { Count: > 0 } usual ? ModuleSelector.Of(usual)
        : throw new BadInputException($"{modelType} models have no usual target modules; name some in target_modules");

    /// <summary>Those of the targets that a model has: families have variants without some, such as T5's ungated MLP.</summary>
    /// <exception cref="BadInputException">The family has none.</exception>
    public static ModuleSelector In(TransformerModel model, string peftType)
    {
        var all = For(model.ModelType, peftType);
        string[] paths = [.. model.NamedModules().Select(module => "." + module.Path)];
        string[] there = [.. all.Names!.Where(name => paths.Any(path => path.EndsWith("." + name, StringComparison.Ordinal)))];
        return there.Length > 0 ? ModuleSelector.Of(there) : all;
    }

    /// <summary>Default feed-forward modules of (IA)³: those of its targets whose input is rescaled.</summary>
    public static ModuleSelector FeedforwardFor(string modelType) => ModuleSelector.Of(RowOf(modelType).Feedforward);

    private static Row RowOf(string modelType) => Rows.GetValueOrDefault(modelType, Other);

    /// <summary>The targets of a family that differ from those it is registered with, which are LoRA's.</summary>
    /// <param name="Scaled">Targets of (IA)³: keys or what is fused with them, values, and outputs of MLPs.</param>
    /// <param name="Feedforward">Those of <paramref name="Scaled"/> whose input is rescaled.</param>
    /// <param name="Norms">Targets of LN tuning.</param>
    /// <param name="Others">Targets of other methods, by peft_type.</param>
    private sealed record Row(string[] Scaled, string[] Feedforward, string[] Norms, params (string Method, string[] Names)[] Others)
    {
        public string[]? Of(string peftType) => peftType switch
        {
            Ia3 => Scaled,
            LnTuning => Norms,
            _ => Array.Find(Others, other => other.Method == peftType).Names,
        };
    }
}

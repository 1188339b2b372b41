"""Values that a configuration may have instead of a fixture's, by the name of the fixture's directory.

A key with a dot is a field of a nested dictionary. `sizes` draws extents that depend on each other.
"""

ACTIVATIONS = ["gelu", "relu", "gelu_new", "silu", "quick_gelu", "gelu_pytorch_tanh"]
GATES = ["silu", "gelu", "gelu_pytorch_tanh", "relu"]
BOOL = [False, True]

ROPES = [
    {"rope_type": "default", "rope_theta": 10000.0},
    {"rope_type": "default", "rope_theta": 100.0},
    {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0},
    {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.0},
    {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 0.7,
     "mscale_all_dim": 0.4, "beta_fast": 16.0, "beta_slow": 2.0},
    {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 0.8,
     "truncate": False},
    {"rope_type": "llama3", "rope_theta": 1000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 16},
]
LAYER_TYPES = [["sliding_attention", "full_attention"], ["full_attention", "sliding_attention"], ["sliding_attention"] * 2,
               ["full_attention"] * 2]


def partial(rotary):
    return [{"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": value} for value in rotary]


LLAMA = {"hidden_act": GATES, "rms_norm_eps": [1e-6, 1e-3], "tie_word_embeddings": BOOL}
BERT = {"hidden_act": ACTIVATIONS, "layer_norm_eps": [1e-12, 1e-3], "type_vocab_size": [1, 2, 3], "num_hidden_layers": [1, 2, 3]}
T5 = {"feed_forward_proj": ["relu", "gated-gelu", "gated-silu", "gelu", "gated-relu"], "relative_attention_num_buckets": [8, 32],
      "relative_attention_max_distance": [20, 128], "d_kv": [4, 8, 12], "num_decoder_layers": [1, 2, 3], "layer_norm_epsilon": [1e-6, 1e-3],
      "tie_word_embeddings": BOOL}
BART = {"activation_function": ACTIVATIONS, "scale_embedding": BOOL, "encoder_layers": [1, 2], "decoder_layers": [1, 2, 3],
        "encoder_ffn_dim": [24, 64], "decoder_ffn_dim": [40, 64], "encoder_attention_heads": [2, 4], "decoder_attention_heads": [1, 4]}
FALCON = {"activation": ["gelu", "relu", "gelu_new"], "bias": BOOL, "alibi": BOOL, "parallel_attn": BOOL, "multi_query": BOOL,
          "new_decoder_architecture": BOOL, "num_ln_in_parallel_attn": [None, 1, 2], "num_kv_heads": [1, 2, 4], "ffn_hidden_size": [48, 128],
          "layer_norm_epsilon": [1e-5, 1e-2], "tie_word_embeddings": BOOL,
          "rope_parameters": ROPES[:4]}
GPT2 = {"activation_function": ACTIVATIONS, "scale_attn_weights": BOOL, "scale_attn_by_inverse_layer_idx": BOOL,
        "reorder_and_upcast_attn": BOOL, "n_inner": [None, 40], "layer_norm_epsilon": [1e-5, 1e-2], "n_layer": [1, 2, 3], "n_head": [1, 2, 4]}
VIT = {"hidden_act": ACTIVATIONS, "qkv_bias": BOOL, "num_channels": [1, 3], "image_size": [8, 16, [16, 8]], "patch_size": [4, 8, 2],
       "layer_norm_eps": [1e-12, 1e-3], "num_attention_heads": [1, 2, 4], "num_hidden_layers": [1, 2, 3]}
WAV2VEC2 = {"conv_bias": BOOL, "feat_extract_norm": ["group", "layer"], "do_stable_layer_norm": BOOL, "feat_extract_activation": ACTIVATIONS,
            "hidden_act": ACTIVATIONS, "num_conv_pos_embeddings": [3, 8, 5], "num_conv_pos_embedding_groups": [1, 2, 8],
            "conv_dim": [[16, 16, 16], [8, 12, 20]], "conv_kernel": [[10, 3, 2], [7, 4, 3]], "conv_stride": [[5, 2, 2], [4, 3, 1]],
            "ctc_loss_reduction": ["mean", "sum"], "ctc_zero_infinity": BOOL, "layer_norm_eps": [1e-5, 1e-2]}

OPTIONS = {
    "albert": {**BERT, "embedding_size": [16, 40], "num_hidden_groups": [1, 2], "inner_group_num": [1, 2], "num_hidden_layers": [2, 4]},
    "bart": BART, "mbart": BART, "pegasus": BART,
    "bert": {**BERT}, "bert_features": BERT, "bert_mlm": BERT, "bert_qa": BERT, "bert_token": BERT,
    "bloom": {"apply_residual_connection_post_layernorm": BOOL, "n_head": [1, 2, 4, 6], "layer_norm_epsilon": [1e-5, 1e-2]},
    "clip": {"projection_dim": [16, 24], "logit_scale_init_value": [0.5, 2.6592], "text_config.hidden_act": ACTIVATIONS,
             "vision_config.hidden_act": ACTIVATIONS, "text_config.eos_token_id": [2, 5], "vision_config.patch_size": [4, 8],
             "vision_config.hidden_size": [24, 32], "text_config.layer_norm_eps": [1e-5, 1e-2], "vision_config.num_hidden_layers": [1, 3]},
    "cohere": {"attention_bias": BOOL, "use_qk_norm": BOOL, "logit_scale": [0.0625, 1.5], "layer_norm_eps": [1e-5, 1e-2],
               "rope_parameters": ROPES, "tie_word_embeddings": BOOL, "num_key_value_heads": [1, 2, 4]},
    "cohere2": {"attention_bias": BOOL, "logit_scale": [0.0625, 1.5], "layer_types": LAYER_TYPES, "sliding_window": [1, 3, 5],
                "head_dim": [4, 8, 12], "num_key_value_heads": [1, 2, 4]},
    "deberta_v2": {"hidden_act": ACTIVATIONS, "pos_att_type": [["p2c", "c2p"], ["c2p"], ["p2c"], []], "position_buckets": [-1, 2, 4],
                   "max_relative_positions": [-1, 3, 6], "norm_rel_ebd": ["layer_norm", "none"], "share_att_key": BOOL,
                   "position_biased_input": BOOL, "relative_attention": BOOL, "type_vocab_size": [0, 2], "pooler_hidden_act": ["gelu", "tanh", "relu"],
                   "legacy": BOOL, "conv_kernel_size": [0, 3], "embedding_size": [None, 24]},
    "deepseek_v3": {"q_lora_rank": [None, 16, 6], "kv_lora_rank": [8, 5], "n_group": [1, 2], "topk_group": [1, 2], "norm_topk_prob": BOOL,
                    "routed_scaling_factor": [1.0, 2.5], "first_k_dense_replace": [0, 1, 2], "n_shared_experts": [1, 2],
                    "num_experts_per_tok": [1, 2], "attention_bias": BOOL, "rope_interleave": BOOL, "v_head_dim": [8, 6],
                    "rope_parameters": ROPES},
    "dinov2": {"hidden_act": ACTIVATIONS, "use_swiglu_ffn": BOOL, "layerscale_value": [0.3, 1.0], "qkv_bias": BOOL, "mlp_ratio": [2, 3],
               "patch_size": [4, 8], "num_channels": [1, 3], "layer_norm_eps": [1e-6, 1e-2], "num_attention_heads": [1, 4]},
    "distilbert": {"activation": ACTIVATIONS, "sinusoidal_pos_embds": BOOL, "n_layers": [1, 2, 3], "n_heads": [1, 4]},
    "distilbert_qa": {"activation": ACTIVATIONS, "sinusoidal_pos_embds": BOOL, "n_layers": [1, 2, 3]},
    "electra": {**BERT, "embedding_size": [16, 32], "summary_activation": ["gelu", "tanh"], "summary_use_proj": BOOL},
    "falcon": FALCON, "falcon_7b": FALCON, "falcon_alibi": FALCON,
    "gemma": {"hidden_act": GATES, "hidden_activation": [None, "gelu", "gelu_pytorch_tanh"], "attention_bias": BOOL, "head_dim": [4, 8, 12],
              "num_key_value_heads": [1, 2, 4], "rope_parameters": ROPES, "tie_word_embeddings": BOOL},
    "gemma2": {"hidden_activation": GATES, "attn_logit_softcapping": [None, 2.0, 50.0], "final_logit_softcapping": [None, 1.0, 30.0],
               "query_pre_attn_scalar": [4, 8, 30], "layer_types": LAYER_TYPES, "sliding_window": [1, 3, 5], "attention_bias": BOOL,
               "head_dim": [4, 8, 12], "tie_word_embeddings": BOOL},
    "gemma3_text": {"hidden_activation": GATES, "attn_logit_softcapping": [None, 2.0], "final_logit_softcapping": [None, 1.0],
                    "query_pre_attn_scalar": [4, 8, 30], "layer_types": LAYER_TYPES, "sliding_window": [1, 3, 5], "attention_bias": BOOL,
                    "rope_parameters.full_attention": ROPES, "use_bidirectional_attention": BOOL, "tie_word_embeddings": BOOL},
    "glm4": {**LLAMA, "attention_bias": BOOL, "head_dim": [4, 8, 16], "rope_parameters": partial([0.5, 1.0]), "num_key_value_heads": [1, 2, 4]},
    "gpt2": GPT2, "gpt2_cls": GPT2,
    "gpt_neo": {"activation_function": ACTIVATIONS, "attention_types": [[[["global", "local"], 1]], [[["local"], 2]], [[["global"], 2]],
                [[["local", "global"], 1]]], "window_size": [1, 3, 5, 64], "intermediate_size": [None, 40], "layer_norm_epsilon": [1e-5, 1e-2],
                "num_heads": [1, 2, 4]},
    "gpt_neox": {"hidden_act": ACTIVATIONS, "attention_bias": BOOL, "use_parallel_residual": BOOL, "tie_word_embeddings": BOOL,
                 "layer_norm_eps": [1e-5, 1e-2], "rope_parameters": partial([0.25, 0.5, 1.0]), "num_attention_heads": [2, 4]},
    "gpt_oss": {"attention_bias": BOOL, "layer_types": LAYER_TYPES, "sliding_window": [1, 3, 5], "num_experts_per_tok": [1, 2, 4],
                "head_dim": [4, 8, 12], "num_key_value_heads": [1, 2, 4], "rope_parameters": ROPES, "tie_word_embeddings": BOOL},
    "gptj": {"activation_function": ACTIVATIONS, "rotary_dim": [2, 4, 8], "n_inner": [None, 40], "layer_norm_epsilon": [1e-5, 1e-2],
             "n_head": [2, 4]},
    "granite": {**LLAMA, "attention_bias": BOOL, "mlp_bias": BOOL, "attention_multiplier": [0.1, 1.0], "embedding_multiplier": [1.0, 3.0],
                "logits_scaling": [1.0, 4.0], "residual_multiplier": [0.2, 1.0], "num_key_value_heads": [1, 2, 4], "rope_parameters": ROPES},
    "layoutlm": {**BERT, "max_2d_position_embeddings": [64, 1000]},
    "layoutlmv3": {"hidden_act": ACTIVATIONS, "has_relative_attention_bias": BOOL, "has_spatial_attention_bias": BOOL, "rel_pos_bins": [4, 8],
                   "max_rel_pos": [6, 16], "rel_2d_pos_bins": [4, 8], "max_rel_2d_pos": [16, 32], "layer_norm_eps": [1e-5, 1e-2],
                   "patch_size": [4, 8], "num_hidden_layers": [1, 3]},
    "llama": {**LLAMA, "attention_bias": BOOL, "mlp_bias": BOOL, "head_dim": [4, 8, 12], "num_key_value_heads": [1, 2, 4],
              "rope_parameters": ROPES},
    "llama_cls": {**LLAMA, "attention_bias": BOOL, "rope_parameters": ROPES},
    "llama_dynamic": {**LLAMA, "max_position_embeddings": [6, 8, 64]},
    "llama_linear": LLAMA, "llama_yarn": {**LLAMA, "rope_parameters": ROPES[4:7], "max_position_embeddings": [16, 64]},
    "ministral3": {**LLAMA, "head_dim": [4, 8], "sliding_window": [None, 3], "rope_parameters.llama_4_scaling_beta": [0.1, 0.5],
                   "rope_parameters.original_max_position_embeddings": [4, 16384], "rope_parameters.mscale_all_dim": [0.5, 1.0]},
    "mistral": {**LLAMA, "sliding_window": [None, 1, 3, 5], "head_dim": [None, 4, 12], "num_key_value_heads": [1, 2, 4], "rope_parameters": ROPES},
    "mixtral": {**LLAMA, "sliding_window": [None, 3], "num_experts_per_tok": [1, 2, 3], "num_local_experts": [3, 4], "head_dim": [None, 4],
                "rope_parameters": ROPES, "output_router_logits": BOOL},
    "modernbert": {"hidden_activation": ACTIVATIONS, "attention_bias": BOOL, "mlp_bias": BOOL, "norm_bias": BOOL, "classifier_bias": BOOL,
                   "classifier_pooling": ["cls", "mean"], "classifier_activation": ["gelu", "relu"], "local_attention": [2, 4, 6],
                   "layer_types": LAYER_TYPES, "norm_eps": [1e-5, 1e-2]},
    "mpt": {"attn_config.alibi": BOOL, "attn_config.alibi_bias_max": [4, 8], "attn_config.clip_qkv": [None, 0.3], "attn_config.qk_ln": BOOL,
            "attn_config.softmax_scale": [None, 0.2], "expansion_ratio": [2, 3], "n_heads": [1, 2, 4], "no_bias": BOOL,
            "layer_norm_epsilon": [1e-5, 1e-2], "logit_scale": [None, 0.5, "inv_sqrt_d_model"]},
    "mt5": T5, "t5": {**T5, "scale_decoder_outputs": BOOL}, "t5_gated": T5,
    "olmo2": {**LLAMA, "attention_bias": BOOL, "num_key_value_heads": [1, 2, 4], "rope_parameters": ROPES},
    "olmo3": {**LLAMA, "attention_bias": BOOL, "num_key_value_heads": [1, 2, 4], "layer_types": LAYER_TYPES, "sliding_window": [1, 3, 5]},
    "opt": {"activation_function": ACTIVATIONS, "do_layer_norm_before": BOOL, "word_embed_proj_dim": [16, 32], "enable_bias": BOOL,
            "layer_norm_elementwise_affine": BOOL, "_remove_final_layer_norm": BOOL, "num_attention_heads": [1, 2, 4], "tie_word_embeddings": BOOL},
    "phi": {"hidden_act": ACTIVATIONS, "qk_layernorm": BOOL, "rope_parameters": partial([0.25, 0.5, 1.0]), "num_key_value_heads": [1, 2, 4],
            "layer_norm_eps": [1e-5, 1e-2], "tie_word_embeddings": BOOL},
    "phi3": {**LLAMA, "sliding_window": [None, 1, 4], "num_key_value_heads": [1, 2, 4], "rope_parameters": partial([0.5, 1.0])},
    "phi3_longrope": {**LLAMA, "sliding_window": [None, 4], "original_max_position_embeddings": [8, 64]},
    "qwen2": {**LLAMA, "use_sliding_window": BOOL, "sliding_window": [None, 3], "max_window_layers": [0, 1, 2], "num_key_value_heads": [1, 2, 4],
              "rope_parameters": ROPES},
    "qwen3": {**LLAMA, "attention_bias": BOOL, "head_dim": [4, 8, 12], "use_sliding_window": BOOL, "sliding_window": [None, 3],
              "max_window_layers": [0, 1, 2], "rope_parameters": ROPES},
    "qwen3_5_text": {**LLAMA, "layer_types": [["linear_attention", "full_attention"], ["full_attention", "linear_attention"],
                     ["linear_attention"] * 2], "linear_conv_kernel_dim": [2, 4, 3], "linear_num_key_heads": [1, 2, 4],
                     "linear_key_head_dim": [4, 8], "linear_value_head_dim": [8, 6], "attention_bias": BOOL,
                     "rope_parameters": partial([0.25, 0.5, 1.0])},
    "qwen3_moe": {**LLAMA, "attention_bias": BOOL, "decoder_sparse_step": [1, 2], "mlp_only_layers": [[], [0], [1]], "norm_topk_prob": BOOL,
                  "num_experts_per_tok": [1, 2, 3], "output_router_logits": BOOL, "rope_parameters": ROPES},
    "roberta": BERT, "roberta_token": BERT, "xlm_roberta": BERT,
    "smollm3": {**LLAMA, "attention_bias": BOOL, "mlp_bias": BOOL, "no_rope_layers": [[1, 0], [0, 1], [0, 0], [1, 1]],
                "use_sliding_window": BOOL, "sliding_window": [None, 3], "layer_types": LAYER_TYPES, "rope_parameters": ROPES},
    "stablelm": {"hidden_act": GATES, "qk_layernorm": BOOL, "use_qkv_bias": BOOL, "use_parallel_residual": BOOL,
                 "rope_parameters": partial([0.25, 0.5, 1.0]), "num_key_value_heads": [1, 2, 4], "layer_norm_eps": [1e-5, 1e-2],
                 "tie_word_embeddings": BOOL},
    "starcoder2": {"hidden_act": ACTIVATIONS, "use_bias": BOOL, "sliding_window": [None, 1, 4], "num_key_value_heads": [1, 2, 4],
                   "norm_epsilon": [1e-5, 1e-2], "rope_parameters": ROPES, "tie_word_embeddings": BOOL},
    "vit": VIT,
    "wav2vec2_ctc": WAV2VEC2, "xlsr_ctc": WAV2VEC2,
    "whisper": {"activation_function": ACTIVATIONS, "scale_embedding": BOOL, "encoder_layers": [1, 2, 3], "decoder_layers": [1, 2, 3],
                "encoder_ffn_dim": [24, 64], "decoder_ffn_dim": [40, 64], "encoder_attention_heads": [1, 4], "decoder_attention_heads": [2, 4],
                "num_mel_bins": [8, 16], "max_source_positions": [15, 9]},
    "unet": {"act_fn": ["silu", "gelu", "relu"], "flip_sin_to_cos": BOOL, "freq_shift": [0, 1], "layers_per_block": [1, 2], "norm_num_groups": [4, 8],
             "norm_eps": [1e-5, 1e-2], "use_linear_projection": BOOL, "center_input_sample": BOOL, "upcast_attention": BOOL,
             "only_cross_attention": BOOL, "dual_cross_attention": BOOL, "resnet_time_scale_shift": ["default", "scale_shift"],
             "transformer_layers_per_block": [1, 2], "attention_head_dim": [4, 8, [2, 4]], "mid_block_scale_factor": [1, 2],
             "down_block_types": [["CrossAttnDownBlock2D", "DownBlock2D"], ["DownBlock2D", "CrossAttnDownBlock2D"], ["CrossAttnDownBlock2D"] * 2,
                                  ["DownBlock2D", "AttnDownBlock2D"]],
             "up_block_types": [["UpBlock2D", "CrossAttnUpBlock2D"], ["CrossAttnUpBlock2D", "UpBlock2D"], ["CrossAttnUpBlock2D"] * 2,
                                ["AttnUpBlock2D", "UpBlock2D"]],
             "mid_block_type": ["UNetMidBlock2DCrossAttn", "UNetMidBlock2D", None], "time_embedding_dim": [None, 24],
             "time_embedding_type": ["positional", "fourier"], "num_class_embeds": [None, 5], "conv_in_kernel": [1, 3],
             "conv_out_kernel": [1, 3], "cross_attention_dim": [32, 24]},
}


# Fields that repeat what another field says: left out where that one is drawn.
REPEATED = {"attention_types": ["attention_layers"], "feed_forward_proj": ["dense_act_fn", "is_gated_act"], "rope_parameters": ["partial_rotary_factor"],
            "use_sliding_window": ["layer_types"], "max_window_layers": ["layer_types"]}


def legacy(rng, name, config):
    """The configuration as transformers 4 wrote it: rope_theta, rope_scaling and their relatives instead of rope_parameters; often no layer_types."""
    config = dict(config)
    ropes = config.pop("rope_parameters", None)
    if ropes and "full_attention" in ropes:
        full, sliding = ropes["full_attention"], ropes["sliding_attention"]
        names = {"gemma3_text": ("rope_theta", "rope_local_base_freq"), "modernbert": ("global_rope_theta", "local_rope_theta")}.get(name)
        if names is None:
            config["rope_parameters"] = ropes
        else:
            config[names[0]], config[names[1]] = full["rope_theta"], sliding["rope_theta"]
            ropes = {key: value for key, value in full.items() if key != "rope_theta"}
            config["rope_scaling"] = scaling(rng, ropes)
    elif ropes:
        config["rotary_emb_base" if name == "gpt_neox" else "rope_theta"] = ropes["rope_theta"]
        if "partial_rotary_factor" in ropes:
            config["rotary_pct" if name == "gpt_neox" else "partial_rotary_factor"] = ropes["partial_rotary_factor"]
        config["rope_scaling"] = scaling(rng, ropes)
    if name in ("qwen2", "qwen3", "gemma2", "cohere2", "smollm3", "gpt_oss") and rng.random() < 0.5:
        config.pop("layer_types", None)
        if name == "cohere2":
            config["sliding_window_pattern"] = rng.choice([2, 4])
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.50.0"
    return config


def scaling(rng, ropes):
    """rope_scaling: null for plain positions; "type" is the older name of "rope_type"."""
    own = {key: value for key, value in ropes.items() if key not in ("rope_theta", "partial_rotary_factor", "rope_type")}
    return None if ropes["rope_type"] == "default" else {rng.choice(["type", "rope_type"]): ropes["rope_type"], **own}


def draw(rng, name, base):
    """A copy of the configuration `base` with about half of the family's options drawn anew."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in base.items()}
    for key, values in OPTIONS[name].items():
        if rng.random() < 0.5:
            continue
        for repeated in REPEATED.get(key, []):
            config.pop(repeated, None)
        value = rng.choice(values)
        where = config
        *path, last = key.split(".")
        for part in path:
            where = where[part]
        where[last] = dict(value) if isinstance(value, dict) else value
    return config

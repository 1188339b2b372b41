using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Tests;

/// <summary>Small copies in the form of two adapters on the Hugging Face hub, a prompt for BLOOMZ-560M and a LoRA for GPT-Neo-125M, with
/// their bases: the fields of the configurations, the names and dtypes of the tensors. BLOOMZ's file names its tensors without the model's
/// prefix, GPT-Neo's has the causal masks of old versions. The numbers are random.</summary>
internal static class HubAdapters
{
    public const string Bloomz = "bloomz-560m", BloomzPrompt = "bloomz-560m-prompt-twitter_complaints";
    public const string Neo = "gpt-neo-125m", NeoLora = "gpt-neo-125m-lora-movies";

    private const int Width = 32, Blocks = 2, Positions = 64;

    public static readonly string[] Names = [Bloomz, BloomzPrompt, Neo, NeoLora];

    /// <summary>Writes bases and adapters, each in a directory of its name.</summary>
    public static void Write(string directory)
    {
        WriteBase(Path.Combine(directory, Bloomz), BloomConfig, name => name["transformer.".Length..], []);
        WriteBase(Path.Combine(directory, Neo), NeoConfig, name => name, [.. Enumerable.Range(0, Blocks).SelectMany(Masks)]);
        var random = new Random(5);
        WriteAdapter(Path.Combine(directory, BloomzPrompt), PromptConfig, [RawTensor.Random("prompt_embeddings", random, 1, 8, Width)]);
        WriteAdapter(Path.Combine(directory, NeoLora), LoraConfig,
        [
            .. from block in Enumerable.Range(0, Blocks)
               from module in new[] { "q_proj", "v_proj" }
               let path = $"base_model.model.transformer.h.{block}.attn.attention.{module}"
               from factor in new[]
               {
                   RawTensor.Random($"{path}.lora_A.weight", random, 0.5f, 8, Width),
                   RawTensor.Random($"{path}.lora_B.weight", random, 0.5f, Width, 8),
               }
               select factor,
        ]);
    }

    private static void WriteBase(string directory, string config, Func<string, string> rename, RawTensor[] buffers)
    {
        string made = directory + "-made";
        foreach (string each in new[] { directory, made })
        {
            Directory.CreateDirectory(each);
            File.WriteAllText(Path.Combine(each, "config.json"), config);
            File.Copy(Path.Combine(Bundled.BaseLlama, "tokenizer.json"), Path.Combine(each, "tokenizer.json"));
        }
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(made, "config.json")));
        ModelLoader.Initialize(model, backend, DType.BF16, seed: 3);
        string saved = Path.Combine(made, "saved");
        ModelWriter.Save(model, saved, made);
        RawTensor.WriteAll(Path.Combine(directory, "model.safetensors"), [
            .. RawTensor.ReadAll(Path.Combine(saved, "model.safetensors")).Select(tensor => tensor with { Name = rename(tensor.Name) }),
            .. buffers]);
        Directory.Delete(made, recursive: true);
    }

    private static void WriteAdapter(string directory, string config, RawTensor[] tensors)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "adapter_config.json"), config);
        RawTensor.WriteAll(Path.Combine(directory, "adapter_model.safetensors"), tensors);
    }

    private static IEnumerable<RawTensor> Masks(int block) =>
    [
        new($"transformer.h.{block}.attn.attention.bias", "BOOL", [1, 1, Positions, Positions], new byte[Positions * Positions]),
        new($"transformer.h.{block}.attn.attention.masked_bias", "F32", [], BitConverter.GetBytes(-1e9f)),
    ];

    private static readonly string BloomConfig = $$"""
        {
          "apply_residual_connection_post_layernorm": false, "architectures": ["BloomForCausalLM"], "attention_dropout": 0.0,
          "attention_softmax_in_fp32": true, "bias_dropout_fusion": true, "bos_token_id": 1, "eos_token_id": 2, "hidden_dropout": 0.0,
          "hidden_size": {{Width}}, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "masked_softmax_fusion": true,
          "model_type": "bloom", "n_head": 4, "n_inner": null, "n_layer": {{Blocks}}, "offset_alibi": 100, "pad_token_id": 3,
          "pretraining_tp": 1, "seq_length": 2048, "skip_bias_add": true, "skip_bias_add_qkv": false, "slow_but_exact": false,
          "transformers_version": "4.20.0", "unk_token_id": 0, "use_cache": true, "vocab_size": 4096
        }
        """;

    private static readonly string NeoConfig = $$"""
        {
          "activation_function": "gelu_new", "architectures": ["GPTNeoForCausalLM"], "attention_dropout": 0,
          "attention_layers": ["global", "local"], "attention_types": [[["global", "local"], 1]], "bos_token_id": 0,
          "embed_dropout": 0, "eos_token_id": 0, "gradient_checkpointing": false, "hidden_size": {{Width}}, "initializer_range": 0.02,
          "intermediate_size": null, "layer_norm_epsilon": 1e-05, "max_position_embeddings": {{Positions}}, "model_type": "gpt_neo",
          "num_heads": 4, "num_layers": {{Blocks}}, "resid_dropout": 0, "summary_activation": null, "summary_first_dropout": 0.1,
          "summary_proj_to_labels": true, "summary_type": "cls_index", "summary_use_proj": true,
          "transformers_version": "4.9.0.dev0", "use_cache": true, "vocab_size": 4096, "window_size": 16
        }
        """;

    private static readonly string PromptConfig = $$"""
        {
          "base_model_name_or_path": "bigscience/bloomz-560m", "inference_mode": true, "num_attention_heads": 4,
          "num_layers": {{Blocks}}, "num_transformer_submodules": 1, "num_virtual_tokens": 8, "peft_type": "PROMPT_TUNING",
          "prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "Classify if the tweet is a complaint or not:",
          "task_type": "CAUSAL_LM", "token_dim": {{Width}}, "tokenizer_name_or_path": "bigscience/bloomz-560m"
        }
        """;

    private const string LoraConfig = """
        {
          "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
          "base_model_name_or_path": "EleutherAI/gpt-neo-125M", "bias": "none", "corda_config": null, "ensure_weight_tying": false,
          "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
          "layer_replication": null, "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 16,
          "lora_bias": false, "lora_dropout": 0.05, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null,
          "peft_type": "LORA", "peft_version": "0.18.1", "qalora_group_size": 16, "r": 8, "rank_pattern": {}, "revision": null,
          "target_modules": ["v_proj", "q_proj"], "target_parameters": null, "task_type": "CAUSAL_LM",
          "trainable_token_indices": null, "use_dora": false, "use_qalora": false, "use_rslora": false
        }
        """;
}

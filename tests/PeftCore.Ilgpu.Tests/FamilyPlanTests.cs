using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The memory plan of families with convolutions, in BF16, whose kernels may need F32 copies of what they read.</summary>
public abstract class FamilyPlanTests(string device)
{
    private static readonly Dictionary<string, string> Configs = new()
    {
        ["unet"] = """
            {"_class_name": "UNet2DConditionModel", "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1,
             "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
             "attention_head_dim": 2, "cross_attention_dim": 8, "norm_num_groups": 4}
            """,
        ["wav2vec2"] = """
            {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForCTC"], "hidden_size": 16, "num_attention_heads": 2,
             "num_hidden_layers": 1, "intermediate_size": 24, "vocab_size": 12, "conv_dim": [8, 8], "conv_kernel": [10, 3],
             "conv_stride": [5, 2], "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
             "hidden_act": "gelu", "pad_token_id": 0}
            """,
        ["whisper"] = """
            {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "d_model": 16, "encoder_layers": 1,
             "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
             "vocab_size": 40, "num_mel_bins": 8, "max_source_positions": 8, "max_target_positions": 16, "activation_function": "gelu",
             "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
            """,
        ["vit"] = """
            {"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 16, "num_attention_heads": 2,
             "num_hidden_layers": 1, "intermediate_size": 24, "image_size": 16, "patch_size": 8, "num_channels": 3, "hidden_act": "gelu",
             "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
            """,
    };

    private static IEnumerable<string> Families => Configs.Keys;

    [TestCaseSource(nameof(Families))]
    public void A_run_in_bf16_takes_what_is_planned(string family)
    {
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 1, 8, options, DType.BF16, tensorCores: device == "cuda");
        var backend = SharedDevices.Open(device, DType.BF16);
        Run(); // The device's own buffers, which a plan does not count, are allocated at its first product.
        Assert.That(plan.PeakBytes, Is.EqualTo(Run()).Within(1).Percent);

        long Run()
        {
            using var scope = new TensorScope();
            long before = backend.Memory.CurrentBytes;
            backend.Memory.ResetPeak();
            var model = Build(backend);
            using (var step = new AdapterStep(model, options))
            {
                step.Run([MemoryPlan.FullBatch(model.Base, 1, 8)], 1e-3);
            }
            model.Unload();
            model.Base.Dispose();
            return backend.Memory.PeakBytes - before;
        }

        PeftModel Build(Backends.Backend on)
        {
            var model = ModelLoader.Declare(ConfigReader.Parse(Configs[family], "config.json"));
            ModelLoader.Initialize(model, on, DType.BF16, seed: 3);
            var peft = new PeftModel(model);
            peft.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
            return peft;
        }
    }
}

[TestFixture]
public sealed class IlgpuCpuFamilyPlanTests() : FamilyPlanTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaFamilyPlanTests() : FamilyPlanTests("cuda");

using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Models;

/// <summary>Families with experts, latent attention or delta layers.</summary>
public sealed class MixtureTests
{
    private static IReadOnlyList<string> Families => TinyMixtures.Families;

    [TestCase("mixtral", "router_jitter_noise", "0.1", "noise")]
    [TestCase("mixtral", "num_experts_per_tok", "5", "4 experts")]
    [TestCase("mixtral", "num_experts", "3", "both count the experts")]
    [TestCase("mixtral", "hidden_act", "\"tanh\"", "experts cannot have")]
    [TestCase("gpt_oss", "swiglu_limit", "5", "limit 7")]
    [TestCase("deepseek_v3", "n_group", "3", "does not divide")]
    [TestCase("deepseek_v3", "topk_group", "5", "of 4 groups")]
    [TestCase("deepseek_v3", "num_key_value_heads", "2", "4 heads")]
    [TestCase("deepseek_v3", "head_dim", "8", "qk_rope_head_dim")]
    [TestCase("deepseek_v3", "scoring_func", "\"softmax\"", "sigmoid")]
    [TestCase("qwen3_5_text", "attn_output_gate", "false", "gate")]
    [TestCase("qwen3_5_text", "linear_num_value_heads", "3", "does not divide")]
    [TestCase("qwen3_5_text", "layer_types", "[\"linear_attention\"]", "lists 1 blocks")]
    [TestCase("llama", "num_local_experts", "4", "no such thing")]
    public void A_field_that_would_change_the_results_is_refused_by_name(string family, string field, string value, string reason)
    {
        var config = TinyMixtures.Config(family == "llama" ? "mixtral" : family);
        config["model_type"] = family;
        config[field] = JsonNode.Parse(value);
        Assert.That(() => TinyMixtures.Declare(config), Throws.TypeOf<BadInputException>()
            .With.Message.Contains(field).And.Message.Contains(reason));
    }

    [TestCaseSource(nameof(Families))]
    public void Decoding_with_a_cache_computes_what_the_whole_sequence_does(string family)
    {
        using var backend = new CpuBackend(1, poison: true);
        var model = (CausalModel)TinyMixtures.Model(family, backend);
        int[] ids = [3, 14, 25, 5, 16, 27, 7];
        float[] whole;
        using (var scope = new TensorScope())
        {
            whole = model.Logits(ModelInputs.From(backend, ids, 1)).ToFloats();
        }
        using (var decoder = new CachedDecoder(model, backend, ids.Length))
        {
            decoder.Read(ids.AsSpan(0, 3));
            decoder.Read([9]);
            int left = decoder.GoBack(3);
            decoder.Read(ids.AsSpan(left, 5 - left));
            decoder.Read([ids[5]]);
            float[] last = decoder.Read([ids[6]]);
            Assert.That(last, Is.EqualTo(whole[^TinyMixtures.Vocabulary..]).Within(1e-5f));
        }
        model.Dispose();
        Assert.That(backend.Memory.CurrentBytes, Is.Zero);
    }

    [TestCaseSource(nameof(Families))]
    public void Padding_before_the_tokens_changes_nothing(string family)
    {
        using var backend = new CpuBackend(1, poison: true);
        var model = TinyMixtures.Model(family, backend);
        using (var scope = new TensorScope())
        {
            float[] plain = model.Logits(ModelInputs.From(backend, [3, 14, 25, 5], 1)).ToFloats();
            var inputs = ModelInputs.From(backend, [8, 8, 3, 14, 25, 5], 1, [0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 2, 3]);
            float[] padded = model.Logits(inputs).ToFloats();
            Assert.That(padded[(2 * TinyMixtures.Vocabulary)..], Is.EqualTo(plain).Within(1e-5f));
        }
        model.Dispose();
    }

    [TestCaseSource(nameof(Families))]
    public void The_planned_peak_is_the_measured_one_to_the_byte(string family)
    {
        ITrainable Build(Backend backend)
        {
            var peft = new PeftModel(TinyMixtures.Model(family, backend));
            peft.AddAdapter(new LoraConfig
            {
                Rank = 2,
                TargetModules = ModuleSelector.Of("o_proj"),
                TargetParameters = family == "qwen3_5_text" ? null : ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
            });
            return new TrainableAdapter(peft);
        }
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 2, 16, options);

        using var cpu = new CpuBackend(1);
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        cpu.Memory.ResetPeak();
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm))
            .Run([MemoryPlan.FullBatch(trainable.Model, 2, 16)], 1e-3);
        Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes));
    }

    [Test]
    public void The_convolution_of_linear_attention_has_the_models_activation()
    {
        float[] Logits(string activation)
        {
            using var backend = new CpuBackend(1);
            var config = TinyMixtures.Config("qwen3_5_text");
            config["hidden_act"] = activation;
            using var model = TinyMixtures.Declare(config);
            ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
            foreach (var (_, parameter) in model.NamedParameters()
                .Where(p => p.Path.EndsWith("mlp.down_proj.weight", StringComparison.Ordinal)))
            {
                parameter.Zero(); // Nothing but the convolution is left that the activation changes.
            }
            return TinyMixtures.Logits(model, backend);
        }
        Assert.That(Logits("relu"), Is.Not.EqualTo(Logits("silu")));
    }

    [Test]
    public void Prefix_tuning_of_linear_attention_is_refused()
    {
        using var backend = new CpuBackend(1);
        var peft = new PeftModel(TinyMixtures.Model("qwen3_5_text", backend));
        peft.AddAdapter(new PeftCore.Peft.Prompts.PrefixTuningConfig { NumVirtualTokens = 2 });
        Assert.That(() => TinyMixtures.Logits(peft.Base, backend),
            Throws.TypeOf<BadInputException>().With.Message.Contains("prefix tuning"));
    }
}

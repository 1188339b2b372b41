using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>Invalid adapters: each causes a one-sentence error and leaves the model unchanged.</summary>
public sealed class BadAdapterTests
{
    private static IEnumerable<TestCaseData> Fields =>
    [
        new("r", "0", "field \"r\""),
        new("r", "1000000000", "more than the weight file beside it holds"),
        new("lora_dropout", "1", "lora_dropout is 1"),
        new("lora_alpha", "1e300", "must be a finite number"),
        new("peft_type", "\"LORAX\"", "is \"LORAX\", which is not supported; supported are LORA"),
        new("peft_type", "null", "field \"peft_type\" is missing"),
        new("init_lora_weights", "\"corda\"", "such a file fits only the base that its run changed"),
        new("init_lora_weights", "3", "must be true, false or a name"),
        new("bias", "\"some\"", "expected one of none, lora_only, all"),
        new("use_dora", "\"yes\"", "field \"use_dora\""),
        new("use_qalora", "true", "asks for a variant of LoRA that is not supported"),
        new("alora_invocation_tokens", "[1]", "asks for a variant of LoRA that is not supported"),
        new("target_parameters", "[\"w\"]", "no fused matrix of experts in this llama model is called \"w\""),
        new("layer_replication", "[[0, 1]]", "asks for a variant of LoRA that is not supported"),
        new("megatron_config", "{\"a\": 1}", "asks for a variant of LoRA that is not supported"),
        new("target_modules", "[\"q_porj\"]", "nothing in this llama model matches \"q_porj\"; did you mean q_proj?"),
        new("target_modules", "[\"c_attn\"]", "nothing in this llama model matches \"c_attn\"; it has embed_tokens, q_proj, "),
        new("target_modules", "[\"mlp\"]", "; name the layers inside it, such as gate_proj, up_proj, down_proj"),
        new("target_modules", "[\"input_layernorm\"]", "but a RmsNorm; leave it out"),
        new("target_modules", "\"(q_proj\"", "\"(q_proj\" is not a regular expression"),
        new("target_modules", "\"a)|(?:.*q_proj\"", "is not a regular expression"),
        new("target_modules", "\"(?=((\\\\w|\\\\.)*)*$)(([a-z0-9_.]+)+)+!\"", "takes too long"),
        new("target_modules", "7", "field \"target_modules\""),
        new("exclude_modules", "[\"q_proj\", \"v_proj\"]", "none is left after exclude_modules"),
        new("layers_to_transform", "[2]", "none is left after layers 2 of 2 (they count from 0)"),
        new("modules_to_save", "[\"lm_haed\"]", "modules_to_save: no module is called \"lm_haed\"; did you mean lm_head?"),
        new("modules_to_save", "[\"model.norm\"]", "1 keys are missing (base_model.model.model.norm.weight)"),
        new("modules_to_save", "[\"norm\"]", "5 keys are missing (base_model.model.model.layers.0.input_layernorm.weight, "),
        new("trainable_token_indices", "[97]", "token 97 is not in the vocabulary of 97"),
        new("trainable_token_indices", "[-1]", "token -1 is not in the vocabulary"),
        new("trainable_token_indices", "[3, 3]", "each only once"),
        new("trainable_token_indices", "[]", "at least one token"),
        new("trainable_token_indices", "{\"lm_head\": [3]}", "\"lm_head\" is not an embedding"),
        new("trainable_token_indices", "{\"embed_tokens\": null}", "expected a list of tokens"),
        new("rank_pattern", "{\"q_proj\": 0}", "field \"rank_pattern.q_proj\""),
        new("rank_pattern", "{\"(\": 2}", "rank_pattern: \"(\" is not a regular expression"),
        new("rank_pattern", "{\"q_proj\": 3}", "has shape (4, 32), but the configuration makes it (3, 32)"),
        new("alpha_pattern", "{\"q_proj\": \"x\"}", "field \"alpha_pattern.q_proj\""),
        new("lora_bias", "true", "keys are missing"),
    ];

    [TestCaseSource(nameof(Fields))]
    public void A_configuration_that_cannot_be_met_is_refused(string field, string json, string sentence)
    {
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        Refused("llama", folder, sentence);
    }

    [Test]
    public void A_pattern_for_the_list_of_blocks_must_be_one()
    {
        using var folder = new AdapterFolder("llama", "lora").With("layers_to_transform", "0").With("layers_pattern", "\"(\"");
        Refused("llama", folder, "layers_pattern: \"(\" is not a regular expression");
    }

    [Test]
    public void A_configuration_that_is_no_json_is_refused([Values("", "{", "[]", "{\"peft_type\": \"LORA\", \"peft_type\": \"IA3\"}",
        "{\"peft_type\": \"\\ud800\"}")] string text)
    {
        using var folder = new AdapterFolder("llama", "lora");
        File.WriteAllText(folder.ConfigPath, text);
        Refused("llama", folder, "adapter_config.json: ");
    }

    [Test]
    public void An_adapter_for_another_architecture_is_refused_with_what_does_not_fit()
    {
        using var gpt2 = new AdapterFolder("gpt2", "lora");
        Refused("llama", gpt2, "nothing in this llama model matches \"c_attn\"");
        using var all = new AdapterFolder("gpt2", "lora").With("target_modules", "[\"q_proj\"]");
        Refused("llama", all, "keys are missing (base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight, ");
        Refused("llama", all, "keys fit nothing (base_model.model.transformer.h.0.attn.c_attn.lora_A.weight, ");
    }

    [Test]
    public void Keys_that_are_missing_or_too_many_are_named()
    {
        const string First = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
        using var less = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => entry.Name == First ? null
            : AdapterFolder.Same(entry, bytes));
        Refused("llama", less, $"1 keys are missing ({First})");
        using var more = new AdapterFolder("llama", "lora").WithWeights(AdapterFolder.Same,
            new SafetensorsTensor("base_model.model.extra", "F32", [1], new byte[4]));
        Refused("llama", more, "1 keys fit nothing (base_model.model.extra)");
    }

    [Test]
    public void Wrong_shapes_and_dtypes_are_named()
    {
        using var shape = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => new SafetensorsTensor(entry.Name, "F32",
            [.. entry.Shape.Reverse()], bytes));
        Refused("llama", shape, "but the configuration makes it (");
        using var dtype = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => new SafetensorsTensor(entry.Name, "I32",
            entry.Shape, bytes));
        Refused("llama", dtype, "has dtype I32; weights may be F32, BF16 or F16");
    }

    [Test]
    public void Directories_that_are_no_adapter_say_what_is_missing()
    {
        using var folder = new AdapterFolder("llama", "lora");
        File.Move(folder.WeightsPath, Path.Combine(folder.Path, "adapter_model.bin"));
        Refused("llama", folder, "adapter_model.bin is a pickle, which is not read because it can run code");
        File.Delete(Path.Combine(folder.Path, "adapter_model.bin"));
        Refused("llama", folder, "adapter_model.safetensors is missing");
        File.Delete(folder.ConfigPath);
        Refused("llama", folder, "this is no adapter directory, it has no adapter_config.json");
    }

    [Test]
    public void A_rank_beyond_the_layer_is_refused_for_a_new_adapter_but_read_from_a_file()
    {
        using var bench = new Bench(Family.Llama);
        var config = new LoraConfig { Rank = 33, TargetModules = ModuleSelector.Of("q_proj") };
        Assert.That(() => bench.Model.AddAdapter(config), Throws.TypeOf<BadInputException>()
            .With.Message.EqualTo(
            "rank 33 is above the size of \"model.layers.0.self_attn.q_proj\", whose smaller side is 32; choose a rank of at most 32"));
        using var folder = new AdapterFolder("llama", "lora").With("r", "33")
            .WithWeights((entry, _) => new SafetensorsTensor(entry.Name, "F32",
            [.. entry.Shape.Select(extent => extent == 4 ? 33 : extent)], new byte[entry.Length / 4 * 33]));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Model.Parameters[0].Parameter.Shape[0], Is.EqualTo(33));
        folder.With("init_lora_weights", "\"pissa\"");
        Assert.That(() => bench.Model.Load(folder.Path, "pissa"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("rank 33 is above the size of"));
    }

    [Test]
    public void A_new_adapter_must_mean_every_name_it_lists()
    {
        using var bench = new Bench(Family.Gpt2);
        Refused(new LoraConfig { TargetModules = ModuleSelector.Of("c_attn", "c_fv") }, "matches \"c_fv\"; did you mean c_fc?");
        Refused(new LoraConfig { Rank = 0 }, "r is 0; it must be at least 1");
        Refused(new LoraConfig { Dropout = -0.1 }, "lora_dropout is -0.1");
        Refused(new LoraConfig { Alpha = double.NaN }, "must be a finite number");
        Refused(new LoraConfig { Alpha = 0, Init = LoraInit.Pissa }, "must be a number above 0");
        Refused(new LoraConfig { LoraBias = true, UseDora = true }, "exclude each other");
        Refused(new LoraConfig { LoraBias = true, Init = LoraInit.Olora }, "turn lora_bias off");
        Refused(new LoraConfig { LoraBias = true, TargetModules = ModuleSelector.Of("wte") },
            "is an embedding, which has no place for the bias");
        Refused(new LoraConfig
        {
            TargetModules = ModuleSelector.Of("wte"),
            TrainableTokens = new Dictionary<string, IReadOnlyList<int>> { ["wte"] = [1] }
        },
            "\"transformer.wte\" is changed by this adapter in another way already");
        Refused(new LoraConfig { ModulesToSave = ["lm_head"], TrainableTokens = new Dictionary<string, IReadOnlyList<int>> { [""] = [1] } },
            "\"lm_head\" is changed by this adapter in another way already");
        Assert.That(() => LoraConfig.ParseInit("pisa"),
            Throws.TypeOf<BadInputException>().With.Message.Contains(
            "supported are true, false, gaussian, pissa, pissa_niter_N, olora, eva, corda, lora_ga and loftq"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));

        void Refused(LoraConfig config, string sentence) =>
            Assert.That(() => bench.Model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    [Test]
    public void A_file_may_list_names_this_model_does_not_have_and_fields_nobody_knows()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With("target_modules", "[\"q_proj\", \"v_proj\", \"Wqkv\"]")
            .With("brand_new_field", "{}");
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Is.EqualTo(new[] { $"{folder.ConfigPath}: field \"brand_new_field\" is unknown and ignored" }));
    }

    [Test]
    public void The_smallest_configuration_of_the_format_is_enough()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora");
        File.WriteAllText(folder.ConfigPath, "{\"peft_type\": \"LORA\", \"r\": 4, \"target_modules\": [\"q_proj\", \"v_proj\"]}");
        bench.Model.Load(folder.Path);
        Assert.That(((LoraConfig)bench.Model.ConfigOf("default")).Alpha, Is.EqualTo(8));
    }

    [Test]
    public void A_base_with_nan_cannot_be_factored()
    {
        using var bench = new Bench(Family.Llama);
        var weight = ((Linear)bench.Base.Find("model.layers.1.self_attn.v_proj")!).Weight;
        Bench.Set(weight, [float.NaN, .. weight.Value.ToArray<float>()[1..]]);
        Assert.That(() => bench.Model.AddAdapter(new LoraConfig { Rank = 2, Init = LoraInit.Pissa }), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("\"model.layers.1.self_attn.v_proj\" holds NaN or infinity"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    /// <summary>Asserts that loading fails with a sentence that begins with a path, on a model with a merged and a trained
    /// adapter.</summary>
    private static void Refused(string family, AdapterFolder folder, string sentence)
    {
        using var bench = new Bench(Family.All.Single(candidate => candidate.Name == family));
        bench.Model.AddAdapter(new LoraConfig { Rank = 2, ModulesToSave = ["lm_head"] }, "before");
        bench.Perturb();
        bench.Model.Merge();
        float[] logits = bench.Logits();
        long bytes = bench.Backend.Memory.CurrentBytes;
        var refused = Assert.Throws<BadInputException>(() => bench.Model.Load(folder.Path))!;
        Assert.That(refused.Message, Does.StartWith(folder.Path).And.Contain(sentence));
        Assert.That(bench.Model.ActiveAdapters, Is.EqualTo(new[] { "before" }));
        Assert.That(bench.Model.MergedAdapters, Is.EqualTo(new[] { "before" }));
        Assert.That(bench.Logits(), Is.EqualTo(logits));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bytes));
    }
}

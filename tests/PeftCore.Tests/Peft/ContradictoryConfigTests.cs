using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>Contradictory fields and unknown options of an adapter_config.json: an error or a warning.</summary>
public sealed class ContradictoryConfigTests
{
    [TestCase("layers_pattern", "\"\"")]
    [TestCase("layers_pattern", "[]")]
    [TestCase("layers_pattern", "null")]
    [TestCase("layers_to_transform", "[]")]
    [TestCase("layers_to_transform", "[0, 1]")]
    [TestCase("target_modules", "[\"q_proj\", \"v_proj\", \"q_proj\"]")]
    [TestCase("target_modules", "\".*\\\\.(q|v)_proj\"")]
    [TestCase("alora_invocation_tokens", "[]")]
    [TestCase("target_parameters", "[]")]
    [TestCase("layer_replication", "[]")]
    [TestCase("exclude_modules", "[]")]
    [TestCase("modules_to_save", "[]")]
    [TestCase("rank_pattern", "{\"^model.layers.0.self_attn.q_proj\": 4}")]
    [TestCase("inference_mode", "false")]
    [TestCase("peft_version", "null")]
    public void Empty_and_equal_spellings_mean_nothing_else(string field, string json)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings, Is.Empty);
    }

    [Test]
    public void An_empty_pattern_beside_numbers_of_layers_means_any_list([Values("\"\"", "[]", "null")] string pattern,
        [Values("0", "[0]")] string layers)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With("layers_to_transform", layers).With("layers_pattern", pattern)
            .WithWeights((entry, bytes) => entry.Name.Contains("layers.1.", StringComparison.Ordinal) ? null
                : AdapterFolder.Same(entry, bytes));
        Assert.That(() => bench.Model.Load(folder.Path), Throws.Nothing);
    }

    [TestCase("lora")]
    [TestCase("loha")]
    [TestCase("hra")]
    [TestCase("vera")]
    public void Layers_that_mean_nothing_are_refused(string adapter)
    {
        using var bench = new Bench(Family.Llama);
        using var pattern = new AdapterFolder("llama", adapter).With("layers_pattern", "\"layers\"");
        Assert.That(() => bench.Model.Load(pattern.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("layers_to_transform chooses none; set both or neither"));
        using var regex = new AdapterFolder("llama", adapter).With("target_modules", "\".*q_proj\"").With("layers_to_transform", "[0]");
        Assert.That(() => bench.Model.Load(regex.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("which chooses them as well"));
    }

    [TestCase("use_bdlora", "{\"nblocks\": 2}")]
    [TestCase("velora_config", "{}")]
    [TestCase("kasa_config", "{\"beta\": 1}")]
    [TestCase("arrow_config", "{\"top_k\": 1}")]
    [TestCase("monteclora_config", "{}")]
    [TestCase("use_qalora", "true")]
    public void Variants_of_lora_that_are_not_there_are_refused_by_name(string field, string json)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        Assert.That(() => bench.Model.Load(folder.Path), Throws.TypeOf<BadInputException>().With.Message.Contains($"field \"{field}\""));
    }

    [Test]
    public void Options_that_nobody_knows_are_refused([Values("use_newlora", "newlora_config")] string field,
        [Values("lora", "ia3", "prompt")] string adapter)
    {
        string json = field == "use_newlora" ? "true" : "{\"a\": 1}";
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", adapter).With(field, json);
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"field \"{field}\" asks for something that is not known here"));
        Assert.That(() => SavedAdapter.Load(folder.Path), Throws.TypeOf<BadInputException>());
    }

    [TestCase("use_newlora", "false")]
    [TestCase("newlora_config", "null")]
    [TestCase("newlora_config", "{}")]
    [TestCase("lora_dtype", "\"float32\"")]
    public void Other_fields_that_nobody_knows_are_told_of(string field, string json)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Is.EqualTo(new[] { $"{folder.ConfigPath}: field \"{field}\" is unknown and ignored" }));
    }

    [TestCase("task_type", "\"CAUSAL\"", "is \"CAUSAL\", which is none of SEQ_CLS")]
    [TestCase("lora_alpha", "0", "lora_alpha is 0, so the adapter adds nothing")]
    [TestCase("fan_in_fan_out", "true", "fan_in_fan_out is true, but the layers do not store their weights as (in, out)")]
    [TestCase("rank_pattern", "{\"qproj\": 8}", "rank_pattern: no layer of the adapter matches \"qproj\", so its value has no effect")]
    [TestCase("alpha_pattern", "{\"layers.7.q_proj\": 8}", "alpha_pattern: no layer of the adapter matches \"layers.7.q_proj\"")]
    public void What_has_no_effect_in_a_file_is_told_of(string field, string json, string sentence)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Has.One.Contains(sentence));
    }

    [TestCase("oft", "oft_block_size", "7", "oft_block_size is 7, which does not divide the 32 inputs of")]
    [TestCase("oft_neumann", "peft_version", "\"0.17.1\"", "older than Hugging Face PEFT 0.18")]
    [TestCase("oft_neumann", "peft_version", "null", "older than Hugging Face PEFT 0.18")]
    [TestCase("prefix", "num_attention_heads", "7", "num_attention_heads is 7, but the keys of this model have 2 heads")]
    public void What_other_methods_correct_is_told_of(string adapter, string field, string json, string sentence)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", adapter);
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Is.Empty);
        folder.With(field, json);
        bench.Model.Load(folder.Path, "again", warnings: warnings);
        Assert.That(warnings, Has.Some.Contains(sentence));
    }

    [Test]
    public void A_layout_that_is_not_the_layers_is_told_of_and_corrected()
    {
        using var bench = new Bench(Family.Gpt2);
        bench.Model.Load(TestFiles.Fixture("hf", "gpt2", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("gpt2", "lora").With("fan_in_fan_out", "false");
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings, Has.One.Contains("fan_in_fan_out is false, but the layers store their weights as (in, out)"));
    }

    [Test]
    public void The_name_of_a_method_in_another_case_is_refused_with_the_right_one()
    {
        using var folder = new AdapterFolder("llama", "lora").With("peft_type", "\"Lora\"");
        Assert.That(() => PeftConfig.Load(folder.ConfigPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("is \"Lora\", and is written LORA"));
    }

    [Test]
    public void A_new_adapter_must_not_contradict_itself()
    {
        using var bench = new Bench(Family.Llama);
        Refused(new LoraConfig { TargetModules = ModuleSelector.Of("q_proj", "v_proj"), ExcludeModules = ModuleSelector.Of("q_proj") },
            "\"q_proj\" is named in exclude_modules as well");
        Refused(new LoraConfig { LayersToTransform = [0, 7] }, "there is no layer 7 of 2; they count from 0");
        Refused(new LoraConfig { LayersToTransform = [-1, 0] }, "there is no layer -1 of 2");
        Refused(new LoraConfig { RankPattern = [new("k_proj", 2)] }, "rank_pattern: no layer of the adapter matches \"k_proj\"");
        Refused(new LoraConfig { AlphaPattern = [new("k_proj", 2)] }, "alpha_pattern: no layer of the adapter matches \"k_proj\"");

        void Refused(LoraConfig config, string sentence) =>
            Assert.That(() => bench.Model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }
}

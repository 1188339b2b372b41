using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Tests.Models;

/// <summary>Configurations with duplicate or foreign fields: a warning if the meaning is clear, an error otherwise.</summary>
public sealed class ContradictionTests : ModelTests
{
    private const string Linear2 = """{"type": "linear", "factor": 2}""";

    [Test]
    public void Rope_scaling_replaces_rope_parameters_and_the_loss_is_the_scaled_one()
    {
        using var both = new EditedModel("llama");
        both.Config["rope_scaling"] = JsonNode.Parse(Linear2);
        using var old = new EditedModel("llama");
        old.Config["rope_scaling"] = JsonNode.Parse(Linear2);
        old.Config["rope_theta"] = 10000.0;
        old.Config.Remove("rope_parameters");
        float scaled = LossOf(Load(old), "llama");
        Assert.That(Warnings, Is.Empty);
        Assert.That(LossOf(Load(both), "llama"), Is.EqualTo(scaled));
        Assert.That(scaled, Is.Not.EqualTo(ExpectedLoss("llama")).Within(1e-4));
        Assert.That(Warnings, Has.Count.EqualTo(1).And.Exactly(1).Contains("rope_parameters").And.Contains("rope_scaling"));
    }

    [TestCase("""{"rope_parameters": {"rope_type": "linear", "factor": 4}, "rope_scaling": {"rope_type": "default"}}""", "default", 1,
        10000, "disagree")]
    [TestCase("""{"rope_parameters": {"rope_type": "linear", "factor": 4}, "rope_scaling": {"rope_type": "linear", "factor": 2}}""",
        "linear", 2, 10000, "disagree")]
    [TestCase("""{"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": {"type": "linear", "factor": 2.0}}""", "linear",
        2, 10000, null)]
    [TestCase("""{"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": {}}""", "linear", 2, 10000, null)]
    [TestCase("""{"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": null}""", "linear", 2, 10000, null)]
    [TestCase("""{"rope_parameters": {"rope_theta": 500}, "rope_scaling": {"type": "default", "rope_theta": 600}}""", "default", 1, 600,
        "disagree")]
    [TestCase("""{"rope_parameters": {"rope_theta": 500}, "rope_theta": 700}""", "default", 1, 500,
        "\"rope_theta\" is 700, but \"rope_parameters.rope_theta\" is 500")]
    [TestCase("""{"rope_parameters": null, "rope_theta": 700}""", "default", 1, 700, null)]
    [TestCase("""{"rope_parameters": {"rope_type": "default", "factor": 2}}""", "default", 1, 10000,
        "\"rope_parameters.factor\" means nothing to positions of type \"default\"")]
    [TestCase("""{"rope_parameters": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 1, "high_freq_factor": 4}}""", "llama3", 2,
        10000, "max_position_embeddings = 64 is taken")]
    public void Positions_are_read_as_transformers_reads_them(string fields, string type, float factor, double theta, string? warning)
    {
        var rope = Read("llama", fields).Rope[0]!;
        float read = rope.Scaling switch { LinearRope linear => linear.Factor, Llama3Rope llama3 => llama3.Factor, _ => 1 };
        Assert.That((rope.Scaling.Type, read, rope.Theta), Is.EqualTo((type, factor, theta)));
        Assert.That(Warnings, warning is null ? Is.Empty : Has.Count.EqualTo(1).And.Exactly(1).Contains(warning));
    }

    [TestCase("""{"rope_scaling": {"type": "su", "factor": 4}}""", "\"rope_scaling.type\" is \"su\", which is not supported")]
    [TestCase("""{"rope_scaling": {"rope_type": "proportional", "factor": 4}}""",
        "\"rope_scaling.rope_type\" is \"proportional\", which is not supported")]
    [TestCase("""{"rope_parameters": {"rope_type": "longrope"}}""", "\"rope_parameters.short_factor\" is missing")]
    [TestCase("""{"rope_parameters": {"rope_theta": 500000}, "rope_scaling": {"type": "linear", "factor": 2}}""",
        "\"rope_parameters.rope_theta\" = 500000 would become 10000")]
    [TestCase("""{"rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 2}}""",
        "but the older \"type\" beside it is \"linear\"")]
    [TestCase("""{"rope_scaling": {"type": "linear"}}""", "\"rope_scaling.factor\" is missing")]
    [TestCase("""{"rope_scaling": {"type": "linear", "factor": 0.5}}""", "\"rope_scaling.factor\" is 0.5")]
    [TestCase("""{"rope_scaling": {"type": "linear", "factor": "2"}}""", "\"rope_scaling.factor\" is \"2\"")]
    [TestCase("""{"rope_scaling": "linear"}""", "\"rope_scaling\" is \"linear\", expected an object")]
    [TestCase("""{"rope_parameters": {"partial_rotary_factor": 0.5}}""", "partial_rotary_factor")]
    [TestCase("""{"rope_parameters": {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "default"}}}""",
        "differ between kinds of blocks")]
    [TestCase("""{"rope_parameters": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 8}}""", "must be above low_freq_factor")]
    [TestCase("""{"original_max_position_embeddings": 16, "rope_parameters": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8}}""",
        "is 8, but the same field outside is 16")]
    public void Positions_that_cannot_be_meant_or_computed_are_refused(string fields, string sentence) =>
        Refused("llama", fields, sentence);

    [TestCase("llama", """{"torch_dtype": "bfloat16"}""", "\"torch_dtype\" is \"bfloat16\", but \"dtype\" is \"float32\"")]
    [TestCase("llama", """{"architectures": ["MistralForCausalLM"]}""",
        "\"architectures\" names MistralForCausalLM, but \"model_type\" is \"llama\"")]
    [TestCase("gpt2", """{"architectures": "LlamaForCausalLM"}""", "\"architectures\" names LlamaForCausalLM")]
    [TestCase("llama", """{"sliding_window": 5}""", "llama models have no window")]
    [TestCase("llama", """{"n_layer": 3}""", "\"n_layer\" is 3, but \"num_hidden_layers\" is 2")]
    [TestCase("llama", """{"layer_norm_eps": 0.1}""", "\"layer_norm_eps\" is 0.1, but \"rms_norm_eps\" is ")]
    [TestCase("llama", """{"activation_function": "gelu"}""", "\"activation_function\" is \"gelu\", but \"hidden_act\" is \"silu\"")]
    [TestCase("gpt2", """{"hidden_act": "relu"}""", "\"hidden_act\" is \"relu\", but \"activation_function\" is \"gelu_new\"")]
    [TestCase("gpt2", """{"n_ctx": 32}""", "\"n_ctx\" is 32, but \"n_positions\" is 64")]
    [TestCase("qwen2", """{"attention_bias": false}""", "q, k and v of qwen2 models always have biases")]
    [TestCase("qwen2", """{"use_sliding_window": true}""", "\"sliding_window\" is null; no block has a window")]
    [TestCase("qwen2",
        """{"use_sliding_window": true, "sliding_window": 5, "max_window_layers": 0, "layer_types": ["full_attention", "sliding_attention"]}""",
        "begins with 1 blocks without a window")]
    public void A_contradiction_with_one_known_meaning_is_a_warning(string family, string fields, string warning)
    {
        Read(family, fields);
        Assert.That(Warnings, Has.Count.EqualTo(1).And.Exactly(1).Contains(warning));
    }

    [TestCase("gpt2", """{"hidden_size": 64}""", "\"n_embd\" is 32, but \"hidden_size\", another name of the same size, is 64")]
    [TestCase("gpt2", """{"num_hidden_layers": 1}""", "\"n_layer\" is 2, but \"num_hidden_layers\"")]
    [TestCase("gpt2", """{"num_attention_heads": 2}""", "\"n_head\" is 4, but \"num_attention_heads\"")]
    [TestCase("gpt2", """{"max_position_embeddings": 32}""", "\"n_positions\" is 64, but \"max_position_embeddings\"")]
    [TestCase("gpt2", """{"scale_attn_weights": false}""", "\"scale_attn_weights\" is false")]
    [TestCase("gpt2", """{"add_cross_attention": true}""", "\"add_cross_attention\" is true: gpt2 models have no such thing")]
    [TestCase("llama", """{"logits_scaling": 8}""",
        "\"logits_scaling\" is 8: llama models have no such thing, and it would change the results; expected it to be absent or 1.")]
    [TestCase("llama", """{"attention_multiplier": 0.5}""", "\"attention_multiplier\" is 0.5")]
    [TestCase("llama", """{"embedding_multiplier": 12}""", "\"embedding_multiplier\" is 12")]
    [TestCase("llama", """{"final_logit_softcapping": 30.0}""", "\"final_logit_softcapping\" is 30.0")]
    [TestCase("llama", """{"use_qk_norm": true}""",
        "\"use_qk_norm\" is true: llama models have no such thing, and it would change the results; expected it to be absent or false.")]
    [TestCase("llama", """{"no_rope_layers": [1, 0]}""", "\"no_rope_layers\" leaves positions out")]
    [TestCase("llama", """{"clip_qkv": 8}""", "\"clip_qkv\" is 8")]
    [TestCase("llama", """{"partial_rotary_factor": 0.25}""", "\"partial_rotary_factor\" is 0.25")]
    [TestCase("llama", """{"num_local_experts": 8}""", "\"num_local_experts\" is 8")]
    [TestCase("llama", """{"text_config": {"tie_word_embeddings": true}}""", "\"text_config\" is an object")]
    [TestCase("llama", """{"is_causal": false}""", "\"is_causal\" is false")]
    [TestCase("llama", """{"layer_types": ["full_attention", "sliding_attention"]}""", "llama models have no window")]
    [TestCase("llama", """{"layer_types": ["full_attention"]}""", "\"layer_types\" lists 1 blocks, but the model has 2")]
    [TestCase("qwen3", """{"layer_types": ["full_attention", "linear_attention"]}""", "has \"linear_attention\", which is not supported")]
    [TestCase("qwen2", """{"layer_types": ["full_attention", "sliding_attention"]}""",
        "has \"sliding_attention\", but \"use_sliding_window\" is false")]
    [TestCase("qwen2", """{"use_sliding_window": true, "layer_types": ["full_attention", "sliding_attention"]}""",
        "has \"sliding_attention\", but \"sliding_window\" is null")]
    [TestCase("mistral", """{"layer_types": ["full_attention", "full_attention"]}""",
        "has \"full_attention\", but \"sliding_window\" is 5")]
    [TestCase("mistral", """{"sliding_window": null, "layer_types": ["sliding_attention", "sliding_attention"]}""",
        "has \"sliding_attention\", but \"sliding_window\" is null")]
    [TestCase("mistral", """{"use_sliding_window": false}""", "\"use_sliding_window\" is false, but mistral models have a window")]
    [TestCase("gpt2", """{"rope_scaling": {"type": "linear", "factor": 2}}""",
        "\"rope_scaling\" is an object: gpt2 models have no such thing")]
    [TestCase("llama", """{"position_embedding_type": "alibi"}""",
        "\"position_embedding_type\" is \"alibi\", but llama models have rotary positions")]
    [TestCase("llama", """{"dtype": "float33"}""", "\"dtype\" is \"float33\"")]
    [TestCase("llama", """{"hidden_size": "32"}""", "\"hidden_size\" is \"32\", expected an integer")]
    [TestCase("llama", """{"num_hidden_layers": true}""", "\"num_hidden_layers\" is true, expected an integer")]
    [TestCase("llama", """{"hidden_size": 2147483647}""", "\"hidden_size\" is 2147483647")]
    [TestCase("gpt2", """{"n_embd": 1073741824}""", "\"n_embd\" is 1073741824")]
    [TestCase("llama", """{"vocab_size": 268435456, "hidden_size": 16777216}""", "parameters, more than any machine holds")]
    [TestCase("llama", """{"num_attention_heads": 16777216, "num_key_value_heads": 1}""", "more than the 16777216 columns")]
    [TestCase("llama", """{"num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": null}""", "does not divide hidden_size = 32")]
    [TestCase("llama", """{"rms_norm_eps": 1e400}""", "\"rms_norm_eps\" is 1e400")]
    public void A_contradiction_that_has_no_known_meaning_is_refused(string family, string fields, string sentence) =>
        Refused(family, fields, sentence);

    [TestCase("llama",
        """{"logits_scaling": 1.0, "use_qk_norm": false, "no_rope_layers": [1, 1], "attention_multiplier": 0.35355339, "num_experts": 0, "clip_qkv": null, "rotary_dim": 8}""")]
    [TestCase("llama",
        """{"sliding_window": null, "layer_types": ["full_attention", "full_attention"], "torch_dtype": "torch.float32", "architectures": null}""")]
    [TestCase("qwen2", """{"sliding_window": 4096, "max_window_layers": 21}""")]
    [TestCase("qwen3", """{"use_qk_norm": true, "num_hidden_layers": 2.0}""")]
    [TestCase("mistral", """{"layer_types": ["sliding_attention", "sliding_attention"]}""")]
    [TestCase("gpt2", """{"hidden_size": 32, "num_hidden_layers": 2, "reorder_and_upcast_attn": true, "n_ctx": 64, "is_causal": true}""")]
    public void Values_that_change_nothing_pass_without_a_word(string family, string fields)
    {
        using var files = Edited(family, fields);
        Assert.That(LossOf(Load(files), family), Is.EqualTo(ExpectedLoss(family)).Within(1e-5));
        Assert.That(Warnings, Is.Empty);
    }

    [Test]
    public void Gpt2_is_read_by_the_common_names_of_its_sizes()
    {
        using var files = new EditedModel("gpt2");
        foreach (var (own, common) in new[] { ("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"),
            ("n_head", "num_attention_heads"), ("n_positions", "max_position_embeddings") })
        {
            files.Config[common] = files.Config[own]!.DeepClone();
            files.Config.Remove(own);
        }
        Assert.That(LossOf(Load(files), "gpt2"), Is.EqualTo(ExpectedLoss("gpt2")).Within(1e-5));
    }

    [TestCase("llama", 16, 4, 2048)]
    [TestCase("mistral", 8, 4, 131072)]
    [TestCase("qwen2", 16, 4, 32768)]
    [TestCase("qwen3", 16, 128, 32768)]
    public void Fields_that_are_absent_have_the_families_own_defaults(string family, int keyHeads, int headDim, int length)
    {
        string sizes = """{"vocab_size": 97, "hidden_size": 64, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 16}""";
        var config = Llama.Read(ConfigReader.Parse(sizes.Insert(1, $"\"model_type\": \"{family}\", "), "config.json"));
        Assert.That((config.KeyHeads, config.HeadDim, config.MaxLength), Is.EqualTo((keyHeads, headDim, length)));
    }

    [TestCase(1, "9 tensors belong to no part of a llama model, such as \"model.layers.1.input_layernorm.weight\"; the file has 2 " +
        "blocks, but the configuration says 1.")]
    [TestCase(3, "9 of the model's tensors are missing, such as \"model.layers.2.self_attn.q_proj.weight\"")]
    public void A_file_with_more_or_fewer_blocks_than_the_configuration_says_is_refused(int layers, string sentence)
    {
        using var files = Edited("llama", $$"""{"num_hidden_layers": {{layers}}}""");
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    [Test]
    public void Biases_that_the_configuration_denies_are_refused()
    {
        using var files = new EditedModel("llama");
        files.Put("model.layers.0.self_attn.q_proj.bias", "F32", 32);
        Assert.That(() => Load(files),
            Throws.TypeOf<BadInputException>().With.Message.Contains("q_proj.bias\"; the configuration says that there is no such bias."));
    }

    [Test]
    public void What_an_index_does_not_list_is_used_where_the_model_needs_it_and_left_over_otherwise()
    {
        using var files = new EditedModel("llama");
        files.Put("extra.weight", "F32", 3);
        files.Write(2);
        string index = Path.Combine(files.FullPath, "model.safetensors.index.json");
        var map = JsonNode.Parse(File.ReadAllText(index))!.AsObject();
        map["weight_map"]!.AsObject().Remove("extra.weight");
        map["weight_map"]!.AsObject().Remove("model.norm.weight");
        File.WriteAllText(index, map.ToJsonString());
        var model = ModelLoader.Load(files.FullPath, Backend, warnings: Warnings);
        Assert.That(LossOf(model, "llama"), Is.EqualTo(ExpectedLoss("llama")).Within(1e-5));
        Assert.That(Warnings, Has.Count.EqualTo(2).And.Exactly(1).Contains("2 tensors are not in the index").And.Exactly(1)
            .Contains("\"extra.weight\" is not in the index and belongs to no part"));
    }

    private DecoderSpec Read(string family, string fields)
    {
        using var files = Edited(family, fields);
        var model = ModelLoader.Declare(ConfigReader.Parse(files.Config.ToJsonString(), "config.json"), Warnings);
        return ((Decoder)model).Spec;
    }

    private void Refused(string family, string fields, string sentence) =>
        Assert.That(() => Read(family, fields),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("config.json: ").And.Message.Contains(sentence));

    private static EditedModel Edited(string family, string fields)
    {
        var files = new EditedModel(family);
        foreach (var (name, value) in JsonNode.Parse(fields)!.AsObject())
        {
            files.Config[name] = value?.DeepClone();
        }
        return files;
    }
}

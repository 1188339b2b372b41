using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Tests.Models.Decoders;

/// <summary>What the fields of each family's config.json mean, and which of them are refused.</summary>
public sealed class FamilyConfigTests
{
    private readonly List<string> _warnings = [];

    [SetUp]
    public void Clear() => _warnings.Clear();

    [TestCase("phi3", 32, 8, 4096, 1e-5f, false, 8)]
    [TestCase("gemma", 16, 256, 8192, 1e-6f, true, 256)]
    [TestCase("gemma2", 4, 256, 8192, 1e-6f, true, 256)]
    [TestCase("gemma3_text", 4, 256, 131072, 1e-6f, true, 256)]
    [TestCase("granite", 32, 8, 2048, 1e-6f, false, 8)]
    [TestCase("smollm3", 4, 8, 32768, 1e-6f, true, 8)]
    [TestCase("olmo2", 32, 8, 2048, 1e-5f, false, 8)]
    [TestCase("olmo3", 32, 8, 2048, 1e-5f, false, 8)]
    [TestCase("cohere", 32, 8, 8192, 1e-5f, true, 8)]
    [TestCase("cohere2", 32, 8, 8192, 1e-5f, true, 8)]
    [TestCase("starcoder2", 2, 8, 4096, 1e-5f, true, 8)]
    [TestCase("stablelm", 32, 8, 4096, 1e-5f, false, 2)]
    [TestCase("glm4", 2, 128, 131072, 1.5625e-7f, false, 64)]
    [TestCase("ministral3", 8, 128, 262144, 1e-5f, false, 128)]
    public void Absent_fields_have_the_defaults_of_transformers(string type, int keyHeads, int headDim, int length, float epsilon,
        bool tied, int turning)
    {
        var spec = Read(type, "");
        Assert.That((spec.KeyHeads, spec.HeadDim, spec.MaxLength, spec.Epsilon, spec.TieEmbeddings, spec.Rope[0]!.Dimension),
            Is.EqualTo((keyHeads, headDim, length, epsilon, tied, turning)));
    }

    [TestCase("gemma2", "", "4096, 0, 4096, 0, 4096, 0, 4096, 0")]
    [TestCase("gemma3_text", "", "4096, 4096, 4096, 4096, 4096, 0, 4096, 4096")]
    [TestCase("gemma3_text", """, "sliding_window": 7, "sliding_window_pattern": 2""", "7, 0, 7, 0, 7, 0, 7, 0")]
    [TestCase("olmo3", "", "4096, 4096, 4096, 0, 4096, 4096, 4096, 0")]
    [TestCase("cohere2", """, "sliding_window": 3""", "3, 3, 3, 0, 3, 3, 3, 0")]
    [TestCase("smollm3", "", "0")]
    [TestCase("smollm3", """, "use_sliding_window": true, "sliding_window": 9""", "0, 0, 0, 9, 0, 0, 0, 9")]
    [TestCase("starcoder2", """, "sliding_window": 9""", "9")]
    [TestCase("phi3", "", "0")]
    public void Windows_stand_in_the_blocks_that_the_family_gives_them(string type, string fields, string windows) =>
        Assert.That(Read(type, fields).Windows.ToString(), Is.EqualTo(windows));

    [TestCase("smollm3", "", new[] { 3, 7 })]
    [TestCase("smollm3", """, "no_rope_layers": [0, 1, 1, 1, 1, 1, 1, 0]""", new[] { 0, 7 })]
    [TestCase("cohere2", "", new[] { 3, 7 })]
    [TestCase("gemma2", "", new int[0])]
    public void Some_families_leave_positions_out_of_blocks(string type, string fields, int[] without)
    {
        var rope = Read(type, fields).Rope;
        Assert.That(Enumerable.Range(0, 8).Where(i => rope[i] is null), Is.EqualTo(without));
    }

    [TestCase("")]
    [TestCase(""", "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0""")]
    [TestCase(""", "rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_type": "default"}}""")]
    public void Gemma_3_has_another_base_in_blocks_with_a_window(string fields)
    {
        var rope = Read("gemma3_text", fields).Rope;
        Assert.That((rope[0]!.Theta, rope[5]!.Theta), Is.EqualTo((1e4, 1e6)));
    }

    [Test]
    public void Scaled_positions_of_older_files_belong_to_blocks_without_a_window()
    {
        var rope = Read("olmo3", """, "rope_theta": 500000, "rope_scaling": {"rope_type": "linear", "factor": 8}""").Rope;
        Assert.That((rope[0], rope[3]), Is.EqualTo((new RopeSpec(5e5, new DefaultRope(), 8), new RopeSpec(5e5, new LinearRope(8), 8))));
    }

    [Test]
    public void Ministral_3_without_positions_has_those_of_the_published_models()
    {
        var spec = Read("ministral3", "");
        Assert.That(spec.Rope[0]!.Scaling, Is.EqualTo(new YarnRope(16, 16384, 32, 1, Truncate: true, CosineFactor: 1)));
        Assert.That(spec.QueryGrowth, Is.EqualTo(new QueryGrowth(0.1f, 16384)));
    }

    [Test]
    public void Granite_multiplies_and_divides()
    {
        var spec = Read("granite",
            """, "embedding_multiplier": 12, "attention_multiplier": 0.25, "residual_multiplier": 0.5, "logits_scaling": 8""");
        Assert.That((spec.EmbeddingMultiplier, spec.AttentionScale![0], spec.ResidualMultiplier, spec.LogitMultiplier),
            Is.EqualTo((12f, 0.25f, 0.5f, 0.125f)));
    }

    [Test]
    public void Soft_caps_are_off_only_if_they_are_null()
    {
        var usual = Read("gemma2", "");
        var none = Read("gemma2", """, "attn_logit_softcapping": null, "final_logit_softcapping": null""");
        Assert.That((usual.AttentionSoftCap, usual.LogitSoftCap, none.AttentionSoftCap, none.LogitSoftCap),
            Is.EqualTo((50f, 30f, 0f, 0f)));
    }

    [TestCase("phi3", """, "resid_pdrop": 0.25, "attention_dropout": 0.5""", 0, 0.25f, 0.25f, 0.5f)]
    [TestCase("starcoder2", """, "embedding_dropout": 0.5, "residual_dropout": 0.25""", 0.5f, 0.25f, 0.25f, 0)]
    [TestCase("stablelm", """, "hidden_dropout": 0.25""", 0, 0, 0.25f, 0)]
    [TestCase("gpt2", """, "n_embd": 256, "n_head": 32, "n_layer": 8""", 0.1f, 0.1f, 0.1f, 0.1f)]
    public void Dropout_is_where_the_family_has_it(string type, string fields, float embedding, float attention, float mlp,
        float probabilities)
    {
        var spec = Read(type, fields);
        Assert.That((spec.EmbeddingDropout, spec.AttentionDropout, spec.MlpDropout, spec.ProbabilityDropout),
            Is.EqualTo((embedding, attention, mlp, probabilities)));
    }

    [TestCase("gemma", """, "hidden_act": "geglu" """, "field \"hidden_act\" is \"geglu\"")]
    [TestCase("gemma2", """, "query_pre_attn_scalar": 0""", "field \"query_pre_attn_scalar\" is 0")]
    [TestCase("gemma2", """, "layer_types": ["sliding_attention"]""", "\"layer_types\" lists 1 blocks, but the model has 8")]
    [TestCase("gemma2", """, "sliding_window": null""", "\"sliding_window\" is null, but \"layer_types\" has blocks")]
    [TestCase("gemma3_text", """, "use_bidirectional_attention": true""", "\"use_bidirectional_attention\" is true")]
    [TestCase("gemma3_text", """, "rope_parameters": {"rope_type": "default"}""", "\"rope_parameters.full_attention\" is missing")]
    [TestCase("gemma3_text", """, "rope_parameters": {"full_attention": {}, "sliding_attention": {}}, "rope_scaling": {"factor": 2}""",
        "keep one of the two")]
    [TestCase("gemma2", """, "rope_parameters": {"full_attention": {}}""", "differ between kinds of blocks")]
    [TestCase("granite", """, "logits_scaling": 0""", "field \"logits_scaling\" is 0")]
    [TestCase("granite", """, "num_local_experts": 8""", "\"num_local_experts\" is 8: granite models have no such thing")]
    [TestCase("smollm3", """, "no_rope_layers": [1, 0]""", "\"no_rope_layers\" lists 2 blocks, but the model has 8")]
    [TestCase("smollm3", """, "no_rope_layers": [1, 1, 1, 2, 1, 1, 1, 0]""", "\"no_rope_layers\" has 2")]
    [TestCase("olmo2", """, "clip_qkv": 8""", "\"clip_qkv\" is 8")]
    [TestCase("olmo2", """, "qk_norm": false, "mlp_bias": true""", "\"mlp_bias\" is true")]
    [TestCase("cohere", """, "logit_scale": -1""", "\"logit_scale\" is -1")]
    [TestCase("cohere2", """, "use_qk_norm": true""", "\"use_qk_norm\" is true: cohere2 models have no such thing")]
    [TestCase("cohere2", """, "position_embedding_type": "alibi" """, "\"position_embedding_type\" is \"alibi\"")]
    [TestCase("starcoder2", """, "residual_dropout": 1""", "\"residual_dropout\" is 1, which drops everything")]
    [TestCase("starcoder2", """, "attention_bias": true""", "\"attention_bias\" is true: starcoder2 models have no such thing")]
    [TestCase("stablelm", """, "partial_rotary_factor": 0.1""", "\"partial_rotary_factor\" is 0.1, of 8 columns of a head")]
    [TestCase("stablelm", """, "partial_rotary_factor": 0.5, "rope_parameters": {"partial_rotary_factor": 0.25}""",
        "\"rope_parameters.partial_rotary_factor\" is 0.25, but the same field outside is 0.5")]
    [TestCase("glm4", """, "num_key_value_heads": 3""", "\"num_key_value_heads\" is 3, which does not divide the 32 attention heads")]
    [TestCase("ministral3", """, "rope_parameters": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 8}""",
        "\"rope_parameters.llama_4_scaling_beta\" is missing")]
    [TestCase("phi3", """, "rope_scaling": {"type": "su", "short_factor": [1, 1, 1, 1], "long_factor": [1, 1]}""",
        "\"rope_scaling.long_factor\" lists 2 numbers, but 8 columns of a head turn, in 4 pairs")]
    [TestCase("phi3", """, "rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 0], "long_factor": [1, 1, 1, 1]}""",
        "\"rope_scaling.short_factor\" lists a number that is not positive")]
    [TestCase("llama", """, "rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}""",
        "\"rope_scaling.beta_fast\" is 1, which must not be below beta_slow = 2")]
    [TestCase("llama", """, "rope_scaling": {"type": "dynamic", "factor": 2, "original_max_position_embeddings": 8}""",
        "dynamic positions begin to change at max_position_embeddings = 2048")]
    public void Contradictions_and_what_is_not_supported_are_refused(string type, string fields, string sentence) =>
        Assert.That(() => Read(type, fields),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("config.json: ").And.Message.Contains(sentence));

    [TestCase("granite", """, "sliding_window": 5""", "granite models have no window")]
    [TestCase("phi3", """, "embd_pdrop": 0.5""", "phi3 models have no dropout there")]
    [TestCase("llama", """, "rope_scaling": {"type": "yarn", "factor": 2}""", "max_position_embeddings = 2048 is taken")]
    [TestCase("llama", """, "rope_scaling": {"type": "linear", "factor": 2, "llama_4_scaling_beta": 1}""",
        "\"rope_scaling.llama_4_scaling_beta\" means nothing to positions of type \"linear\"")]
    [TestCase("gemma", """, "hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh" """, "\"hidden_act\" is \"gelu\", which counts")]
    public void Fields_without_effect_are_warned_of(string type, string fields, string warning)
    {
        Read(type, fields);
        Assert.That(_warnings, Has.Count.EqualTo(1).And.Exactly(1).Contains(warning));
    }

    [Test]
    public void Every_family_here_names_its_target_modules() =>
        Assert.That(ModelFamilies.ModelTypes.Where(type => ModelFamilies.Find(type)!.TargetModules.Count == 0), Is.Empty);

    private DecoderSpec Read(string type, string fields)
    {
        string sizes = type == "gpt2" ? "\"vocab_size\": 97" : """
            "vocab_size": 97, "hidden_size": 256, "intermediate_size": 56, "num_hidden_layers": 8, "num_attention_heads": 32
            """;
        string json = $$"""{"model_type": "{{type}}", {{sizes}}{{fields}}}""";
        var config = ConfigReader.Parse(JsonNode.Parse(json)!.ToJsonString(), "config.json");
        return ((Decoder)ModelLoader.Declare(config, _warnings)).Spec;
    }
}

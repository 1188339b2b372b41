using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Tests.Models;

public sealed class LlamaConfigTests
{
    private const string Sizes = """
        "vocab_size": 97, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 4, "num_attention_heads": 4
        """;

    [Test]
    public void Fields_that_are_not_there_have_the_families_defaults()
    {
        var config = Read("llama", "");
        Assert.That((config.KeyHeads, config.HeadDim, config.Epsilon, config.TieEmbeddings), Is.EqualTo((4, 8, 1e-6f, false)));
        Assert.That(config.Rope[0], Is.EqualTo(new RopeSpec(10000, new DefaultRope(), 8)));
        Assert.That((config.QkvBias, config.OutputBias, config.MlpBias, config.QkNorm, config.Windows[0]),
            Is.EqualTo((false, false, false, QkNorm.None, 0)));
    }

    [Test]
    public void Families_differ_in_biases_and_norms()
    {
        Assert.That(Read("qwen2", ""), Has.Property("QkvBias").True.And.Property("OutputBias").False.And.Property("QkNorm").EqualTo(QkNorm.None));
        Assert.That(Read("qwen3", ""), Has.Property("QkvBias").False.And.Property("OutputBias").False.And.Property("QkNorm").EqualTo(QkNorm.PerHead));
        Assert.That(Read("llama", """, "attention_bias": true, "mlp_bias": true"""),
            Has.Property("QkvBias").True.And.Property("OutputBias").True.And.Property("MlpBias").True);
    }

    [TestCase(""", "rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 500000}""", "linear", 500000)]
    [TestCase(""", "rope_theta": 500000, "rope_scaling": {"type": "linear", "factor": 2}""", "linear", 500000)]
    [TestCase(""", "rope_theta": 5000, "rope_scaling": null""", "default", 5000)]
    [TestCase(""", "rope_parameters": {"rope_type": "default", "rope_theta": 20}""", "default", 20)]
    public void Rotary_settings_are_read_in_the_new_and_the_old_spelling(string fields, string type, double theta)
    {
        RopeScaling scaling = type == "linear" ? new LinearRope(2) : new DefaultRope();
        Assert.That(Read("llama", fields).Rope[0], Is.EqualTo(new RopeSpec(theta, scaling, 8)));
    }

    [Test]
    public void Llama_3s_scaling_needs_all_its_numbers()
    {
        var config = Read("llama", """
            , "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
            """);
        Assert.That(config.Rope[0]!.Scaling, Is.EqualTo(new Llama3Rope(32, 1, 4, 8192)));
        Assert.That(() => Read("llama", """, "rope_scaling": {"rope_type": "llama3", "factor": 32.0}"""),
            Throws.TypeOf<BadInputException>().With.Message.Contains("rope_scaling.low_freq_factor"));
    }

    [TestCase("mistral", "", 4096, 0, TestName = "Mistral has a window unless it says no")]
    [TestCase("mistral", """, "sliding_window": null""", 0, 0, TestName = "Mistral can say that it has no window")]
    [TestCase("mistral", """, "sliding_window": 5""", 5, 0, TestName = "Mistral's window is everywhere")]
    [TestCase("llama", """, "sliding_window": 5""", 0, 0, TestName = "Llama knows no window")]
    [TestCase("qwen2", """, "sliding_window": 5""", 0, 0, TestName = "Qwen's window is off unless asked for")]
    [TestCase("qwen2", """, "use_sliding_window": true, "sliding_window": 5, "max_window_layers": 2""", 5, 2,
        TestName = "Qwen's window starts at a block")]
    [TestCase("qwen2", """, "use_sliding_window": true, "sliding_window": 5""", 5, 28,
        TestName = "Qwen's window starts at block 28 by default")]
    [TestCase("qwen3",
        """, "use_sliding_window": true, "sliding_window": 5, "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "sliding_attention"]""", 5, 1,
        TestName = "Qwen can list its blocks")]
    [TestCase("qwen3",
        """, "use_sliding_window": true, "sliding_window": 5, "layer_types": ["full_attention", "full_attention", "full_attention", "full_attention"]""", 0, 0,
        TestName = "Qwen can list blocks without a window")]
    [TestCase("qwen2",
        """, "use_sliding_window": true, "sliding_window": 5, "max_window_layers": 3, "layer_types": ["full_attention", "full_attention", "full_attention", "sliding_attention"]""", 5, 3,
        TestName = "Qwen can say both the same way")]
    public void Windows(string type, string fields, int window, int first)
    {
        int[] expected = [.. Enumerable.Range(0, 4).Select(i => i < first ? 0 : window)];
        Assert.That(Read(type, fields).Windows, Is.EqualTo(new PerLayer<int>(expected)));
    }

    [TestCase("llama", """, "num_key_value_heads": 3""",
        "field \"num_key_value_heads\" is 3, which does not divide the 4 attention heads.")]
    [TestCase("llama", """, "head_dim": 5""", "field \"head_dim\" is 5, but rotary positions turn columns in pairs, so it must be even.")]
    [TestCase("llama", """, "hidden_act": "geluish" """, "field \"hidden_act\" is \"geluish\"")]
    [TestCase("llama", """, "rope_scaling": {"rope_type": "yarns", "factor": 4}""", "field \"rope_scaling.rope_type\" is \"yarns\"")]
    public void What_is_not_supported_is_refused(string type, string fields, string sentence) =>
        Assert.That(() => Read(type, fields), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    private static DecoderSpec Read(string type, string fields)
    {
        string json = $$"""{"model_type": "{{type}}", {{Sizes}}{{fields}}}""";
        return Llama.Read(ConfigReader.Parse(JsonNode.Parse(json)!.ToJsonString(), "config.json"));
    }
}

using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Tests.Models;

/// <summary>Thousands of configurations with fields of all families set to values of all kinds: each is accepted or rejected with a
/// one-sentence error.</summary>
public sealed class ConfigFuzzTests
{
    private static readonly string[] Families = ["llama", "mistral", "qwen2", "qwen3", "gpt2"];

    private static readonly string[] Fields =
    [
        "model_type", "architectures", "dtype", "torch_dtype", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings", "attention_bias",
        "mlp_bias", "rope_theta", "rope_scaling",
        "rope_parameters", "sliding_window", "use_sliding_window", "max_window_layers", "layer_types", "quantization_config", "n_embd",
        "n_layer", "n_head", "n_positions",
        "n_inner", "n_ctx", "activation_function", "layer_norm_epsilon", "scale_attn_weights", "logits_scaling", "no_rope_layers",
        "text_config", "original_max_position_embeddings",
    ];

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "1", "-1", "2", "3", "4", "8", "97", "2.5", "1e-6", "1e400", "-1e400", "1e30", "2147483647",
        "2147483648", "16777216", "9223372036854775808",
        "\"\"", "\"x\"", "\"llama\"", "\"float32\"", "\"linear\"", "\"\\ud83d\\ude00\"", "[]", "[1]", "[null]",
        "[\"full_attention\",\"sliding_attention\"]", "{}",
        "{\"rope_type\":\"llama3\",\"factor\":8}", "{\"type\":\"linear\",\"factor\":2}", "{\"rope_type\":\"yarn\"}",
        "{\"rope_theta\":1e300}", "{\"full_attention\":{}}",
        "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4}", "{\"quant_method\":\"awq\",\"bits\":4}",
        "{\"quant_method\":[],\"load_in_4bit\":1}",
    ];

    [Test]
    public void Every_configuration_is_declared_or_refused_in_one_sentence()
    {
        var texts = Families.ToDictionary(family => family,
            family => File.ReadAllText(TestFiles.Fixture("hf", family, "base", "config.json")));
        int declared = 0, refused = 0;
        var edits = from family in Gen.Elements(Families)
                    from changes in (from field in Gen.Elements(Fields) from value in Gen.Elements(Values) select (field, value)).ArrayOf(3)
                    from count in Gen.Choose(1, 3)
                    select (family, changes: changes[..count]);
        Prop.ForAll(edits.ToArbitrary(), edit =>
        {
            var fields = JsonNode.Parse(texts[edit.family])!.AsObject();
            foreach (var (field, _) in edit.changes)
            {
                fields.Remove(field);
            }
            string added = string.Concat(edit.changes.DistinctBy(change => change.field)
                .Select(change => $", \"{change.field}\": {change.value}"));
            string text = fields.ToJsonString()[..^1] + added + "}";
            try
            {
                var warnings = new List<string>();
                ModelLoader.Declare(ConfigReader.Parse(text, "config.json"), warnings);
                declared++;
                return warnings.All(IsSentence);
            }
            catch (BadInputException e)
            {
                refused++;
                return IsSentence(e.Message);
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5000).WithReplay(5, 11));
        Assert.That(new[] { declared, refused }, Is.All.GreaterThan(500),
            "the edits should leave some configurations valid and break others");
    }

    private static bool IsSentence(string text) =>
        text.StartsWith("config.json: ", StringComparison.Ordinal) && text.EndsWith('.') && !text.Contains('\n', StringComparison.Ordinal);
}

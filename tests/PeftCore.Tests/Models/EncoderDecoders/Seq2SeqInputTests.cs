using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Models.EncoderDecoders;

public sealed class Seq2SeqInputTests
{
    [Test]
    public void Small_distances_have_a_bucket_each_and_large_ones_share_the_last()
    {
        var causal = new RelativeBuckets(8, 16, bidirectional: false);
        int[] before = [.. Enumerable.Range(0, 18).Select(distance => causal.Of(-distance))];
        Assert.That(before, Is.EqualTo((int[])[0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7]));
        Assert.That(Enumerable.Range(1, 5).Select(causal.Of), Has.All.Zero);
        var both = new RelativeBuckets(8, 16, bidirectional: true);
        Assert.That(Enumerable.Range(-3, 7).Select(both.Of), Is.EqualTo((int[])[2, 2, 1, 0, 5, 6, 6]));
    }

    [Test]
    public void Buckets_of_pairs_count_queries_from_the_first_one()
    {
        var buckets = new RelativeBuckets(8, 16, bidirectional: true);
        Assert.That(buckets.Of(queries: 2, keys: 4, firstQuery: 1), Is.EqualTo((int[])[
            buckets.Of(-1), buckets.Of(0), buckets.Of(1), buckets.Of(2), buckets.Of(-2), buckets.Of(-1), buckets.Of(0), buckets.Of(1)]));
    }

    [Test]
    public void Labels_move_by_one_place_behind_the_start_token() =>
        Assert.That(ShiftedLabels.FromStart([5, 6, 7, 8, -100, -100], 2, start: 9, pad: 1), Is.EqualTo((int[])[9, 5, 6, 9, 8, 1]));

    [Test]
    public void In_mBART_labels_move_behind_their_last_token() =>
        Assert.That(ShiftedLabels.FromLast([5, 6, 7, 8, 2, -100], 2, pad: 1), Is.EqualTo((int[])[7, 5, 6, 2, 8, 2]));

    [TestCase("t5", "feed_forward_proj", "\"gated-swoosh\"", "feed_forward_proj\" is \"gated-swoosh\", expected an activation")]
    [TestCase("t5", "relative_attention_num_buckets", "7", "relative_attention_num_buckets\" is 7; the encoder has half of the buckets")]
    [TestCase("t5", "relative_attention_max_distance", "16", "relative_attention_max_distance\" is 16, but 16 distances")]
    [TestCase("t5", "is_encoder_decoder", "false", "is_encoder_decoder\" is false, but t5 models here have both an encoder and a decoder")]
    [TestCase("t5", "decoder_start_token_id", "40", "decoder_start_token_id\" is 40, but the vocabulary has 31 tokens")]
    [TestCase("bart", "encoder_attention_heads", "3", "encoder_attention_heads\" is 3, which does not divide d_model = 16")]
    [TestCase("bart", "dropout", "1", "dropout\" is 1, which drops everything")]
    [TestCase("pegasus", "d_model", "15", "d_model\" is 15, but sines and cosines have half of the columns each")]
    [TestCase("mbart", "clip_qkv", "3", "clip_qkv\" is 3: mbart models have no such thing")]
    public void A_field_that_cannot_be_is_refused_by_name(string family, string field, string value, string message) =>
        Assert.That(() => Declare(family, (field, value)), Throws.TypeOf<BadInputException>().With.Message.Contains(message));

    [TestCase("t5", "is_gated_act", "true", "feed_forward_proj\" is \"relu\", but \"is_gated_act\" is true, which counts")]
    [TestCase("t5", "dense_act_fn", "\"silu\"", "feed_forward_proj\" is \"relu\", but \"dense_act_fn\" is \"silu\", which counts")]
    [TestCase("bart", "normalize_before", "true", "normalize_before\" is true, but models of this family always have false there")]
    [TestCase("mbart", "encoder_layerdrop", "0.1", "encoder_layerdrop\" is 0.1: no block is left out in training here")]
    public void A_contradiction_and_a_field_without_effect_are_warned_of(string family, string field, string value, string message)
    {
        var warnings = new List<string>();
        Declare(family, warnings, (field, value));
        Assert.That(warnings, Has.One.Contains(message));
    }

    [TestCase("t5", true, true)]
    [TestCase("t5", false, false)]
    [TestCase("mt5", true, false)]
    public void The_heads_input_is_scaled_if_T5_ties_it_and_never_in_mT5(string family, bool tied, bool scaled)
    {
        var config = Config(family);
        config["tie_word_embeddings"] = tied;
        Assert.That(T5Config.Read(Reader(config), null).ScaleHead, Is.EqualTo(scaled));
        config["scale_decoder_outputs"] = !scaled;
        Assert.That(T5Config.Read(Reader(config), null).ScaleHead, Is.EqualTo(!scaled));
    }

    private static TransformerModel Declare(string family, params (string Field, string Value)[] changes) =>
        Declare(family, null, changes);

    private static TransformerModel Declare(string family, ICollection<string>? warnings, params (string Field, string Value)[] changes)
    {
        var config = Config(family);
        foreach (var (field, value) in changes)
        {
            config[field] = JsonNode.Parse(value);
        }
        return ModelLoader.Declare(Reader(config), warnings);
    }

    private static ConfigReader Reader(JsonObject config) => ConfigReader.Parse(config.ToJsonString(), "config.json");

    private static JsonObject Config(string family) => family is "t5" or "mt5"
        ? new JsonObject
        {
            ["model_type"] = family, ["vocab_size"] = TinyPairs.Vocabulary, ["d_model"] = 16, ["d_kv"] = 4, ["d_ff"] = 24,
            ["num_layers"] = 2, ["num_heads"] = 4, ["feed_forward_proj"] = family == "t5" ? "relu" : "gated-gelu",
        }
        : new JsonObject
        {
            ["model_type"] = family, ["vocab_size"] = TinyPairs.Vocabulary, ["d_model"] = 16, ["encoder_layers"] = 1,
            ["decoder_layers"] = 1, ["encoder_attention_heads"] = 4, ["decoder_attention_heads"] = 4, ["encoder_ffn_dim"] = 24,
            ["decoder_ffn_dim"] = 24, ["max_position_embeddings"] = 24,
        };
}

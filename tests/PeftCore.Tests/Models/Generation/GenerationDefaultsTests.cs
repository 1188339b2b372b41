using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

/// <summary>generation_config.json, as BART's CNN model and others have it.</summary>
public sealed class GenerationDefaultsTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory()
    {
        _directory = new TemporaryDirectory();
        File.WriteAllText(_directory["config.json"], """{"model_type": "llama", "num_beams": 7}""");
    }

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_directorys_fields_are_the_defaults_and_are_told()
    {
        var told = new List<string>();
        var options = Read("""
            {"bos_token_id": 0, "eos_token_id": [2, 5], "pad_token_id": 1, "decoder_start_token_id": 2, "early_stopping": true,
             "forced_bos_token_id": 0, "forced_eos_token_id": [2], "length_penalty": 2.0, "max_length": 142, "min_length": 56,
             "no_repeat_ngram_size": 3, "num_beams": 4, "suppress_tokens": [9, -1], "begin_suppress_tokens": [3],
             "bad_words_ids": [[4], [5, 6]], "repetition_penalty": 1.0, "encoder_no_repeat_ngram_size": 4, "use_cache": true}
            """, told);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((options.NumBeams, options.LengthPenalty, options.EarlyStopping), Is.EqualTo((4, 2.0, (bool?)true)));
            Assert.That((options.MinLength, options.MaxLength, options.MaxNewTokens), Is.EqualTo((56, (int?)142, 142)));
            Assert.That((options.NoRepeatNgramSize, options.EncoderNoRepeatNgramSize), Is.EqualTo((3, 4)));
            Assert.That((options.ForcedBosTokenId, options.ForcedEosTokenId), Is.EqualTo(((int?)0, (int?)2)));
            Assert.That((options.DecoderStartTokenId, options.PadTokenId), Is.EqualTo(((int?)2, (int?)1)));
            Assert.That(options.StopTokens, Is.EqualTo([2, 5]));
            Assert.That(options.SuppressTokens, Is.EqualTo([9]));
            Assert.That(options.BeginSuppressTokens, Is.EqualTo([3]));
            Assert.That(options.BadWords, Is.EqualTo((int[][])[[4], [5, 6]]));
            Assert.That(told, Has.Count.EqualTo(1));
            Assert.That(told[0], Does.EndWith("generation_config.json: generation uses its max_length 142, min_length 56, num_beams 4, " +
                "length_penalty 2.0, early_stopping true, no_repeat_ngram_size 3, encoder_no_repeat_ngram_size 4, forced_bos_token_id 0, " +
                "forced_eos_token_id (1 entries), suppress_tokens (2 entries), begin_suppress_tokens (1 entries), bad_words_ids (2 " +
                "entries); values of your own override them."));
        }
    }

    [Test]
    public void Fields_that_the_caller_sets_are_not_read_and_not_told()
    {
        var told = new List<string>();
        var options = Read("""{"num_beams": "many", "max_length": 20, "no_repeat_ngram_size": 2}""", told, "num_beams", "max_new_tokens");
        Assert.That((options.NumBeams, options.MaxLength, options.NoRepeatNgramSize), Is.EqualTo((1, (int?)null, 2)));
        Assert.That(told.Single(), Does.Contain("uses its no_repeat_ngram_size 2;"));
    }

    [Test]
    public void Config_json_is_read_where_there_is_no_generation_config()
    {
        Assert.That(GenerationOptions.FromModel(_directory.FullPath).NumBeams, Is.EqualTo(7));
        Assert.That(Read("{}", []).NumBeams, Is.EqualTo(1));
    }

    [Test]
    public void New_tokens_count_before_the_whole_length_and_never_is_a_way_to_stop()
    {
        var options = Read("""{"max_new_tokens": 30, "max_length": 20, "early_stopping": "never"}""", []);
        Assert.That((options.MaxNewTokens, options.MaxLength, options.EarlyStopping), Is.EqualTo((30, (int?)null, (bool?)null)));
    }

    [Test]
    public void Fields_without_effect_are_told()
    {
        var told = new List<string>();
        Read("""
            {"do_sample": true, "temperature": 0.7, "top_p": 0.8, "diversity_penalty": 0.5, "num_beam_groups": 1, "guidance_scale": 1}
            """, told);
        Assert.That(told, Has.Count.EqualTo(2));
        Assert.That(told[0], Does.Contain("do_sample, temperature, top_p have no effect: the likeliest tokens are taken unless you give"));
        Assert.That(told[1], Does.Contain("diversity_penalty have no effect here, so texts may differ"));
    }

    [TestCase("""{"num_beams": 0}""", "field \"num_beams\" is 0, expected an integer")]
    [TestCase("""{"early_stopping": "soon"}""", "field \"early_stopping\" is \"soon\", expected one of never")]
    [TestCase("""{"forced_eos_token_id": [1, 2]}""", "field \"forced_eos_token_id\" has several tokens, expected one")]
    [TestCase("""{"bad_words_ids": [1]}""", "field \"bad_words_ids\" is no list of lists of token ids")]
    [TestCase("""{"suppress_tokens": "all"}""", "field \"suppress_tokens\" is")]
    [TestCase("""{"min_length": -1}""", "field \"min_length\" is -1")]
    public void A_malformed_field_is_refused_by_name(string json, string sentence) =>
        Assert.That(() => Read(json, []), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    private GenerationOptions Read(string json, List<string> told, params string[] given)
    {
        File.WriteAllText(_directory["generation_config.json"], json);
        return GenerationOptions.FromModel(_directory.FullPath, given, told.Add);
    }
}

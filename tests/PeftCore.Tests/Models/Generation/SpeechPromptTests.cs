using PeftCore.Io;
using PeftCore.Models.Generation;

namespace PeftCore.Tests.Models.Generation;

public sealed class SpeechPromptTests
{
    private const string Several = """
        {"is_multilingual": true, "lang_to_id": {"<|en|>": 10, "<|de|>": 11}, "task_to_id": {"transcribe": 20, "translate": 21},
         "no_timestamps_token_id": 30}
        """;

    [Test]
    public void Language_task_and_the_lack_of_timestamps_come_before_a_text()
    {
        var prompt = SpeechPrompt.Of(ConfigReader.Parse(Several, "g.json"));
        Assert.That(prompt.Tokens(new SpeechOptions { Language = "de" }), Is.EqualTo(new[] { 11, 20, 30 }));
        Assert.That(prompt.Tokens(new SpeechOptions { Language = "<|en|>", Translate = true, Timestamps = true }),
            Is.EqualTo(new[] { 10, 21 }));
        Assert.That(prompt.FirstTimestamp, Is.EqualTo(31));
    }

    [Test]
    public void A_model_of_one_language_has_its_timestamps_token_alone()
    {
        var prompt = SpeechPrompt.Of(ConfigReader.Parse("""{"no_timestamps_token_id": 30, "forced_decoder_ids": [[1, 30]]}""", "g.json"));
        Assert.That(prompt.Tokens(new SpeechOptions()), Is.EqualTo(new[] { 30 }));
        Assert.That(() => prompt.Tokens(new SpeechOptions { Language = "en" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("lang_to_id"));
        Assert.That(() => prompt.Tokens(new SpeechOptions { Translate = true }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("translate"));
    }

    [Test]
    public void Forced_tokens_of_older_files_are_the_prompt()
    {
        const string Older = """{"forced_decoder_ids": [[1, 10], [2, 20], [3, 30]], "no_timestamps_token_id": 30}""";
        Assert.That(SpeechPrompt.Of(ConfigReader.Parse(Older, "g.json")).Tokens(new SpeechOptions()), Is.EqualTo(new[] { 10, 20, 30 }));
    }

    [Test]
    public void An_unknown_language_is_refused_with_those_that_exist() =>
        Assert.That(() => SpeechPrompt.Of(ConfigReader.Parse(Several, "g.json")).Tokens(new SpeechOptions { Language = "fr" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("expected one of de, en"));

    // 5 tokens of text, 2 the end, 9 no timestamps, 10 … 15 timestamps.
    [TestCase(new int[0], "10,11,12", TestName = "A text begins with a timestamp no later than allowed")]
    [TestCase(new[] { 10 }, "0,1,2,3,4,5,6,7,8", TestName = "Text follows the first timestamp")]
    [TestCase(new[] { 10, 5, 12 }, "2,3,4,5,6,7,8,12,13,14,15", TestName = "A second timestamp is followed by one no earlier or the end")]
    [TestCase(new[] { 10, 5, 12, 12 }, "0,1,2,3,4,5,6,7,8", TestName = "A pair is followed by text")]
    [TestCase(new[] { 10, 5 }, "0,1,2,3,4,5,6,7,8,11,12,13,14,15", TestName = "A text ends with a later timestamp")]
    public void Timestamps(int[] text, string allowed)
    {
        float[] scores = new float[16];
        scores.AsSpan(0, 9).Fill(4); // No timestamp is likelier than all of the text.
        new TimestampRules(9, MaxInitial: 2, End: 2).Apply(text, scores);
        Assert.That(string.Join(',', Enumerable.Range(0, 16).Where(i => !float.IsNegativeInfinity(scores[i]))), Is.EqualTo(allowed));
    }

    [Test]
    public void A_timestamp_is_taken_where_all_of_them_together_are_likelier_than_any_word()
    {
        float[] scores = new float[16];
        scores[5] = 1.5f; // Below log(5 e⁰) = 1.61.
        new TimestampRules(9, null, 2).Apply([10, 5], scores);
        Assert.That(scores[..10], Is.All.EqualTo(float.NegativeInfinity));
    }
}

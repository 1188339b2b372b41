using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Beam search, lengths and forced tokens as flags, and as a model's generation_config.json sets them.</summary>
public sealed class GenerateVerbTests
{
    private static readonly string[] Short = ["--prompt", "It was a dark night", "--max-new-tokens", "6", "--json"];

    [Test]
    public void Beams_return_several_texts_best_first()
    {
        var json = Generate("--num-beams", "3", "--num-return-sequences", "3", "--length-penalty", "0.5", "--early-stopping", "never").Json;
        string[] texts = [.. json.GetProperty("alternatives").EnumerateArray().Prepend(json).Select(text => Ids(text))];
        Assert.That(texts.Distinct().Count(), Is.EqualTo(3));
        Assert.That(json.GetProperty("alternatives")[0].GetProperty("text").GetString(), Is.Not.Empty);
        Assert.That(Ids(Generate("--num-beams", "3", "--length-penalty", "0.5", "--early-stopping", "never").Json), Is.EqualTo(texts[0]));
        Assert.That(Ids(Generate("--num-beams", "1").Json), Is.EqualTo(Ids(Generate().Json)));
    }

    [Test]
    public void Forced_tokens_and_lengths_are_kept()
    {
        var forced = Generate("--forced-eos-token-id", "7", "--min-new-tokens", "6", "--no-repeat-ngram-size", "1");
        string[] ids = Ids(forced.Json).Split(',');
        Assert.That(ids, Has.Length.EqualTo(6));
        Assert.That(ids[^1], Is.EqualTo("7"));
        Assert.That(ids[..^1], Is.Unique);
    }

    [TestCase("--num-beams", "2", "--temperature", "0.5", "num_beams is 2 and temperature 0.5")]
    [TestCase("--num-beams", "2", "--num-return-sequences", "3", "num_return_sequences is 3, but num_beams 2")]
    [TestCase("--min-new-tokens", "7", "--min-length", "0", "min_new_tokens is 7, but max_new_tokens allows 6")]
    [TestCase("--min-length", "90", "--num-beams", "1", "min_length is 90, but")]
    [TestCase("--forced-bos-token-id", "999999", "--num-beams", "1", "forced_bos_token_id names token 999999")]
    [TestCase("--early-stopping", "soon", "--num-beams", "2", "--early-stopping is \"soon\"")]
    [TestCase("--num-beams", "0", "--min-length", "0", "--num-beams is \"0\"")]
    public void Contradictions_are_refused(string flag, string value, string other, string otherValue, string sentence)
    {
        var run = Run(Bundled.BaseLlama, flag, value, other, otherValue);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [Test]
    public void Flags_for_beams_without_beams_are_told()
    {
        Assert.That(Generate("--length-penalty", "2").Error,
            Does.Contain("--length-penalty has no effect without beams; give --num-beams."));
        Assert.That(Generate("--length-penalty", "2", "--num-beams", "2").Error, Does.Not.Contain("no effect"));
    }

    [Test]
    public void A_models_generation_config_is_used_unless_a_flag_says_otherwise()
    {
        using var directory = new TemporaryDirectory();
        foreach (string file in Directory.GetFiles(Bundled.BaseLlama))
        {
            File.Copy(file, Path.Combine(directory.FullPath, Path.GetFileName(file)));
        }
        directory.Write("generation_config.json", """{"eos_token_id": 0, "num_beams": 3, "no_repeat_ngram_size": 2}""");
        var asModel = Run(directory.FullPath);
        var byFlags = Generate("--num-beams", "3", "--no-repeat-ngram-size", "2");
        var overridden = Run(directory.FullPath, "--num-beams", "1", "--no-repeat-ngram-size", "0");
        var sampled = Run(directory.FullPath, "--temperature", "1");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(asModel.Error, Does.Contain("generation uses its num_beams 3, no_repeat_ngram_size 2; values of your own"));
            Assert.That(Ids(asModel.Json), Is.EqualTo(Ids(byFlags.Json)));
            Assert.That(Ids(overridden.Json), Is.EqualTo(Ids(Generate().Json)));
            Assert.That(overridden.Error, Does.Not.Contain("generation uses"));
            Assert.That(sampled.Error, Does.Contain("generation uses its no_repeat_ngram_size 2;"));
            Assert.That(sampled.ExitCode, Is.Zero, sampled.Error);
        }
    }

    /// <summary>The ids with commas between.</summary>
    private static string Ids(JsonElement text) =>
        string.Join(',', text.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32()));

    [Test]
    public void The_rate_is_that_of_the_tokens_after_the_first()
    {
        var json = Generate().Json;

        Assert.That(json.GetProperty("prompt_tokens").GetInt32(), Is.EqualTo(5));
        Assert.That(json.GetProperty("tok_s").GetDouble(), Is.GreaterThan(0));
        Assert.That(json.GetProperty("first_token_s").GetDouble(), Is.GreaterThan(0));
        // Beam search has no token before its end.
        Assert.That(Generate("--num-beams", "2").Json.GetProperty("first_token_s").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(Run(Bundled.BaseLlama, "--max-new-tokens", "1").Json.GetProperty("tok_s").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void A_prompt_comes_from_standard_input()
    {
        string[] flags = ["generate", "--model", Bundled.BaseLlama, "--max-new-tokens", "6", "--json"];
        string expected = Ids(Generate().Json);

        foreach (string[] more in (string[][])[[], ["--prompt", "-"]])
        {
            var run = ToolRun.Piped("It was a dark night\n", [.. flags, .. more]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(Ids(run.Json), Is.EqualTo(expected));
            Assert.That(run.Json.GetProperty("prompt").GetString(), Is.EqualTo("It was a dark night"));
        }
        // A flag wins over the pipe, and only the last line break is dropped.
        Assert.That(ToolRun.Piped("other", [.. flags, "--prompt", "It was a dark night"]).Json.GetProperty("prompt").GetString(),
            Is.EqualTo("It was a dark night"));
        Assert.That(ToolRun.Piped("A\n\n", flags).Json.GetProperty("prompt").GetString(), Is.EqualTo("A\n"));
    }

    [TestCase("generate", "", "--prompt is \"-\", but standard input is empty")]
    [TestCase("chat", "Hi\n", "chat reads what the user says from standard input")]
    public void A_dash_without_a_text_is_refused(string verb, string input, string sentence)
    {
        var run = ToolRun.Piped(input, verb, "--model", Bundled.BaseLlama, "--prompt", "-");

        Assert.That(run, Has.Property("ExitCode").EqualTo(2).And.Property("Error").Contains(sentence));
        Assert.That(ToolRun.Piped("", "generate", "--model", Bundled.BaseLlama).Error, Does.Contain("or the text on standard input"));
    }

    [Test]
    public void Chat_answers_the_lines_of_standard_input()
    {
        var run = ToolRun.Piped("Hello\nWho are you?\n", "chat", "--model", Bundled.BaseLlama, "--chat-template", "chatml",
            "--max-new-tokens", "3", "--prompt", "Be short.", "--json");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("role").GetString()),
            Is.EqualTo(new[] { "system", "user", "assistant", "user", "assistant" }));
    }

    private static ToolRun Generate(params string[] args)
    {
        var run = Run(Bundled.BaseLlama, args);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    private static ToolRun Run(string model, params string[] args) => ToolRun.Of(["generate", "--model", model, .. Short, .. args]);
}

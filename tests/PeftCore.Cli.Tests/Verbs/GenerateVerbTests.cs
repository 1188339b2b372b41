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
        string[] ids = Ids(forced.Json).Split(' ');
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

    private static string Ids(JsonElement text) => text.GetProperty("token_ids").GetString()!;

    private static ToolRun Generate(params string[] args)
    {
        var run = Run(Bundled.BaseLlama, args);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    private static ToolRun Run(string model, params string[] args) => ToolRun.Of(["generate", "--model", model, .. Short, .. args]);
}

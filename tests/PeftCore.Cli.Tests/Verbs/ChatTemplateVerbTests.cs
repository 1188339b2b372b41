namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Chat templates and special tokens as the tool uses and reports them.</summary>
public sealed class ChatTemplateVerbTests
{
    private const string Talk =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Hello\"}]}\n";

    [Test]
    public void A_template_sees_none_for_tools_and_the_special_tokens_of_the_model()
    {
        using var directory = Model();
        directory.Write("chat_template.jinja",
            "{% set OUT %}{% if tools is not none %}T{% else %}-{% endif %}{{ tools is defined }}{{ documents is none }}[{{ unk_token }}]"
            + "[{{ pad_token }}]{% endset %}{{ raise_exception(OUT) }}");

        var run = ToolRun.Of("eval", "--model", directory.FullPath, "--data", directory.Write("talk.jsonl", Talk));

        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2, run.Error)));
        Assert.That(run.Error, Does.Contain("-TrueTrue[][<|pad|>]"));
    }

    [Test]
    public void A_template_can_be_named_or_read_from_a_file()
    {
        using var directory = Model();
        string talk = directory.Write("talk.jsonl", Talk);
        string file = directory.Write("mine.jinja",
            "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");

        foreach (string template in (string[])["chatml", file])
        {
            var run = ToolRun.Of("eval", "--json", "--model", directory.FullPath, "--data", talk, "--chat-template", template);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
        }
        var refused = ToolRun.Of("eval", "--model", directory.FullPath, "--data", talk, "--chat-template", "klingon");
        Assert.That((refused.ExitCode, refused.Error), Is.EqualTo((2, refused.Error)));
        Assert.That(refused.Error, Does.Contain("--chat-template is \"klingon\", expected alpaca"));
    }

    [Test]
    public void Training_takes_a_template_from_a_file_as_evaluation_does()
    {
        using var directory = Model();
        string talk = directory.Write("talk.jsonl", Talk + Talk);
        string file = directory.Write("mine.jinja",
            "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");
        string[] train = ["train", "--json", "--model", directory.FullPath, "--data", talk, "--max-steps", "1", "--output-dir"];

        double[] losses = [.. ((string[])["chatml", file]).Select((template, i) =>
        {
            var run = ToolRun.Of([.. train, Path.Combine(directory.FullPath, $"out{i}"), "--chat-template", template]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            return run.Json.GetProperty("train_loss").GetDouble();
        })];
        double evaluated = ToolRun.Of("eval", "--json", "--model", directory.FullPath, "--data", talk, "--chat-template", file).Json
            .GetProperty("loss").GetDouble();

        Assert.That(losses[0], Is.Not.EqualTo(losses[1]).Within(1e-3));
        Assert.That(losses[1], Is.EqualTo(evaluated).Within(1e-4));
        Assert.That(File.ReadAllText(Path.Combine(directory.FullPath, "out1", "training_settings.json")), Does.Contain("mine.jinja"));
        Assert.That(ToolRun.Of([.. train, Path.Combine(directory.FullPath, "out2"), "--chat-template", "klingon"]).Error,
            Does.Contain("--chat-template is \"klingon\", expected alpaca"));
    }

    [Test]
    public void Contradicting_end_tokens_are_said_once_and_texts_without_any_too()
    {
        using var directory = Model();
        directory.Write("generation_config.json", "{\"eos_token_id\": [5, 7]}");
        string text = directory.Write("text.jsonl", "{\"text\": \"A ship sails.\"}\n");

        var contradicting = ToolRun.Of("eval", "--model", directory.FullPath, "--data", text);
        Assert.That(contradicting.Error,
            Does.Contain("is token 0, but eos_token_id is 5 and 7 in generation_config.json; texts to learn end with 0"));

        File.Delete(Path.Combine(directory.FullPath, "generation_config.json"));
        directory.Write("tokenizer_config.json", "{}");
        directory.Write("config.json", File.ReadAllText(Path.Combine(Bundled.BaseLlama, "config.json"))
            .Replace("\"eos_token_id\": 0", "\"eos_token_id\": null", StringComparison.Ordinal));
        var without = ToolRun.Of("eval", "--model", directory.FullPath, "--data", text);
        var generated = ToolRun.Of("generate", "--model", directory.FullPath, "--prompt", "A", "--max-new-tokens", "1");

        Assert.That(without.Error, Does.Contain("No end-of-text token is known"));
        Assert.That(generated.Error, Does.Contain("no end-of-text token is known, so only the length ends a text"));
    }

    private static TemporaryDirectory Model()
    {
        var directory = new TemporaryDirectory();
        foreach (string file in Directory.GetFiles(Bundled.BaseLlama))
        {
            File.Copy(file, Path.Combine(directory.FullPath, Path.GetFileName(file)));
        }
        return directory;
    }
}

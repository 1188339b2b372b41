namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Adapters in the form of two public ones attach to models of their architectures.</summary>
public sealed class HubAdapterTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void WriteFiles()
    {
        _directory = new TemporaryDirectory();
        HubAdapters.Write(_directory.FullPath);
        _directory.Write("data.jsonl", "{\"text\": \"nobody answers\", \"label\": \"complaint\"}\n{\"text\": \"a tea\", \"label\": \"no\"}\n");
    }

    [TearDown]
    public void RemoveFiles() => _directory.Dispose();

    [TestCase(HubAdapters.Bloomz, HubAdapters.BloomzPrompt)]
    [TestCase(HubAdapters.Neo, HubAdapters.NeoLora)]
    public void It_changes_what_the_base_computes_and_nothing_is_warned_of(string model, string adapter)
    {
        var with = Run("eval", "--model", At(model), "--adapter", At(adapter), "--data", At("data.jsonl"));
        Assert.That(Math.Abs(with.Loss - Loss(At(model))), Is.GreaterThan(1e-4));
        Assert.That(with.Run.Error, Does.Not.Contain("adapter_config").And.Not.Contain("adapter_model").And.Not.Contain("masked_bias"));
        var text = ToolRun.Of("generate", "--model", At(model), "--adapter", At(adapter), "--prompt", "It was", "--max-new-tokens", "3");
        Assert.That(text.ExitCode, Is.Zero, text.Error);
        Assert.That(text.Output, Does.StartWith("It was"));
    }

    [Test]
    public void A_lora_is_merged_and_converted()
    {
        string merged = At("merged"), small = At("small");
        double loss = Loss(At(HubAdapters.Neo), At(HubAdapters.NeoLora));
        foreach (string[] command in new[] { ["merge", "--output-dir", merged], new[] { "convert", "--rank", "8", "--output-dir", small } })
        {
            var run = ToolRun.Of([.. command, "--model", At(HubAdapters.Neo), "--adapter", At(HubAdapters.NeoLora)]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
        }
        Assert.That(Loss(merged), Is.EqualTo(loss).Within(1e-2), "the base is in BF16");
        Assert.That(Loss(At(HubAdapters.Neo), small), Is.EqualTo(loss).Within(1e-4));
    }

    [Test]
    public void A_prompt_is_shown_and_cannot_be_merged()
    {
        var shown = ToolRun.Of("inspect", At(HubAdapters.BloomzPrompt));
        Assert.That(shown.Output, Does.Contain("prompt_tuning").And.Contain("bigscience/bloomz-560m").And.Contain("1 tensor in 1 file"));
        var merge = ToolRun.Of("merge", "--model", At(HubAdapters.Bloomz), "--adapter", At(HubAdapters.BloomzPrompt), "--output-dir", At("m"));
        Assert.That((merge.ExitCode, Directory.Exists(At("m"))), Is.EqualTo((2, false)));
        Assert.That(merge.Error, Does.Contain("PROMPT_TUNING puts something before every sequence, which no weight can do"));
    }

    [Test]
    public void The_masks_of_an_old_file_are_no_parameters()
    {
        var shown = ToolRun.Of("inspect", "--json", At(HubAdapters.Neo));
        Assert.That(shown.Json.GetProperty("parameters").GetInt64(), Is.LessThan(200_000));
        Assert.That(shown.Json.GetProperty("dtypes").GetProperty("BOOL").GetInt64(), Is.EqualTo(2 * 64 * 64));
    }

    [TestCase(HubAdapters.Neo, HubAdapters.BloomzPrompt, "token_dim is 48, but in this model it is 32")]
    [TestCase(HubAdapters.Bloomz, HubAdapters.NeoLora, "target modules: nothing in this bloom model matches \"v_proj\", \"q_proj\"")]
    public void On_a_base_of_other_modules_or_sizes_it_is_refused(string model, string adapter, string sentence)
    {
        string config = Path.Combine(At(adapter), "adapter_config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"token_dim\": 32", "\"token_dim\": 48"));
        var run = ToolRun.Of("generate", "--model", At(model), "--adapter", At(adapter), "--prompt", "It was");
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("adapter_config.json: ").And.Contain(sentence));
    }

    private string At(string name) => Path.Combine(_directory.FullPath, name);

    private double Loss(string model, params string[] adapter) =>
        Run(["eval", "--model", model, "--data", At("data.jsonl"), .. adapter.SelectMany(path => new[] { "--adapter", path })]).Loss;

    private static (double Loss, ToolRun Run) Run(params string[] arguments)
    {
        var run = ToolRun.Of([.. arguments, "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return (run.Json.GetProperty("loss").GetDouble(), run);
    }
}

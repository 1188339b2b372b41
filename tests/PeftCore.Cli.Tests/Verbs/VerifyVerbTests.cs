namespace PeftCore.Cli.Tests.Verbs;

public sealed class VerifyVerbTests
{
    private static IEnumerable<string> Directories() =>
        from family in new[] { "llama", "gpt2" }
        from directory in Directory.GetDirectories(Bundled.Fixture("hf", family)).Order(StringComparer.Ordinal)
        select Path.GetRelativePath(Bundled.Fixture(), directory);

    [TestCaseSource(nameof(Directories))]
    public void Every_quantity_agrees_with_the_reference(string directory) => AllPass(ToolRun.Of("verify", Bundled.Fixture(directory)));

    [TestCase("llama-lora-all")]
    [TestCase("llama-dora-qv")]
    public void A_real_training_run_follows_the_reference_loss_by_loss(string name) =>
        AllPass(ToolRun.Of("verify", Bundled.Fixture("runs", name), "--model", Bundled.BaseLlama));

    [TestCase("byte_bpe")]
    [TestCase("sentencepiece_bpe")]
    public void A_tokenizer_agrees_case_by_case(string kind) => AllPass(ToolRun.Of("verify", Bundled.Fixture("tokenizers", kind)));

    [Test]
    public void What_cannot_be_computed_is_named_and_counts_as_failed()
    {
        using var directory = new TemporaryDirectory();
        File.Copy(Bundled.Fixture("hf", "llama", "lora", "expected.safetensors"), Path.Combine(directory.FullPath, "expected.safetensors"));
        directory.Write("adapter_config.json", """{"peft_type":"NOT_A_METHOD","base_model_name_or_path":"."}""");

        ToolRun run = ToolRun.Of("verify", directory.FullPath);

        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Output, Does.Contain("FAIL").And.Contain("0 passed, 1 failed"));
    }

    [Test]
    public void A_directory_with_nothing_to_verify_is_bad_input()
    {
        using var directory = new TemporaryDirectory();

        Assert.That(ToolRun.Of("verify", directory.FullPath).ExitCode, Is.EqualTo(2));
    }

    private static void AllPass(ToolRun run)
    {
        string failures = string.Join('\n', run.Output.Split('\n').Where(line => line.Contains("FAIL", StringComparison.Ordinal)));
        Assert.That(run.ExitCode, Is.Zero, failures + run.Error);
        Assert.That(run.Output, Does.Contain(", 0 failed"));
    }
}

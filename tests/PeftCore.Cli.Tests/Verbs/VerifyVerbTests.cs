namespace PeftCore.Cli.Tests.Verbs;

public sealed class VerifyVerbTests
{
    private static IEnumerable<string> Directories() =>
        from family in new[] { "llama", "gpt2" }
        from directory in Directory.GetDirectories(Bundled.Fixture("hf", family)).Order(StringComparer.Ordinal)
        where Path.GetFileName(directory) != "randlora"
        select Path.GetRelativePath(Bundled.Fixture(), directory);

    [TestCaseSource(nameof(Directories))]
    public void Every_quantity_agrees_with_the_reference(string directory) => AllPass(ToolRun.Of("verify", Bundled.Fixture(directory)));

    // Its softmax is all or nothing: single precision does not determine its gradients to the tolerance, and verify must say so, not pass
    // it.
    [TestCase("llama")]
    [TestCase("gpt2")]
    public void What_single_precision_does_not_determine_fails_and_is_named(string family)
    {
        var run = ToolRun.Of("verify", Bundled.Fixture("hf", family, "randlora"));

        string[] failures = [.. run.Output.Split('\n').Where(line => line.Contains("FAIL", StringComparison.Ordinal))];
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(failures, Is.Not.Empty.And.All.Contains("one unit in the last place of the parameters moves it by"));
        Assert.That(run.Output, Does.Contain($"{failures.Length} of those that failed are no better determined"));
        Assert.That(run.Output, Does.Contain($", {failures.Length} failed"));
    }

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

        var run = ToolRun.Of("verify", directory.FullPath);

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

namespace PeftCore.Cli.Tests.Verbs;

public sealed class ConvertVerbTests
{
    private static readonly string Base = Bundled.Fixture("hf", "llama", "base");

    [TestCase("oft")]
    [TestCase("vera")]
    public void An_adapter_becomes_a_lora_with_its_errors(string method)
    {
        using var directory = new TemporaryDirectory();
        var run = ToolRun.Of("convert", "--model", Base, "--adapter", Bundled.Fixture("hf", "llama", method), "--rank", "4", "--output-dir",
            directory.FullPath);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Output, Does.Contain("relative error").And.Contain("q_proj"));
        Assert.That(ToolRun.Of("inspect", directory.FullPath, "--json").Json.GetProperty("method").GetString(), Is.EqualTo("lora"));
    }

    [Test]
    public void Without_a_base_it_is_saved_again_as_it_is()
    {
        using var directory = new TemporaryDirectory();
        string adapter = Bundled.Fixture("hf", "llama", "hra");
        var run = ToolRun.Of("convert", "--adapter", adapter, "--output-dir", directory.FullPath, "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("tensors").GetInt32(), Is.EqualTo(4));
        Assert.That(ToolRun.Of("convert", "--adapter", adapter, "--output-dir", directory.FullPath, "--rank", "4").ExitCode, Is.EqualTo(2));
        Assert.That(ToolRun.Of("convert", "--adapter", adapter, "--output-dir", adapter).ExitCode, Is.EqualTo(2));
    }
}

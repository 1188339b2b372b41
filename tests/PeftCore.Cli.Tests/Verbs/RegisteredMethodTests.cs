using PeftCore.PublicApi.Tests.Samples;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The command line has the methods that its process has registered.</summary>
public sealed class RegisteredMethodTests
{
    [OneTimeSetUp]
    public void Register() => OutputScaleConfig.Register();

    [Test]
    public void A_method_from_outside_is_trained_and_merged_with_its_options()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("data.jsonl", """{"text": "Once upon a time"}""" + "\n");
        string output = Path.Combine(directory.FullPath, "run"), merged = Path.Combine(directory.FullPath, "merged");
        string[] call = ["train", "--model", Bundled.BaseLlama, "--data", data, "--method", "output_scale", "--batch-size", "1",
            "--max-steps", "1", "--output-dir", output];
        var run = ToolRun.Of([.. call, "--method-options", "init_deviation=0.02"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.ReadAllText(Path.Combine(output, "adapter_config.json")),
            Does.Contain("\"OUTPUT_SCALE\"").And.Contains("\"init_deviation\": 0.02"));
        run = ToolRun.Of("merge", "--model", Bundled.BaseLlama, "--adapter", output, "--output-dir", merged);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
    }

    [Test]
    public void An_option_that_it_does_not_have_is_refused()
    {
        var run = ToolRun.Of("plan", "--model", Bundled.BaseLlama, "--method", "output_scale", "--method-options", "r=4");
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("has no field \"r\""));
    }
}

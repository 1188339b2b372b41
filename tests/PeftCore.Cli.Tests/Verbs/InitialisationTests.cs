using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class InitialisationTests
{
    private static readonly string[] Small = ["--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "2",
        "--max-seq-length", "64", "--lora-r", "4",
        "--target-modules", "layers.1.self_attn.q_proj,layers.2.self_attn.v_proj", "--logging-steps", "1", "--init-batches", "2"];

    [TestCase("eva")]
    [TestCase("corda")]
    [TestCase("lora_ga")]
    [TestCase("loftq")]
    [TestCase("pissa_niter_4")]
    public void A_run_starts_from_it_and_its_adapter_computes_what_was_learned(string init)
    {
        using var directory = new TemporaryDirectory();

        var run = ToolRun.Of(["train", .. Small, "--init-lora-weights", init, "--max-steps", "3", "--learning-rate", "1e-3", "--output-dir",
            directory.FullPath, "--json"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error.Contains("looks at 2 batches of the training data", StringComparison.Ordinal),
            Is.EqualTo(init is "eva" or "corda" or "lora_ga"), run.Error);
        var eval = ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--adapter", directory.FullPath, "--data",
            Path.Combine(Bundled.DemoData, "valid.jsonl"), "--max-seq-length", "64", "--batch-size", "2", "--json");
        Assert.That(eval.ExitCode, Is.Zero, eval.Error);
        Assert.That(eval.Json.GetProperty("loss").GetDouble(), Is.EqualTo(run.Json.GetProperty("eval_loss").GetDouble()).Within(1e-4));
    }

    [TestCase("eva")]
    [TestCase("corda")]
    [TestCase("lora_ga")]
    public void A_run_that_goes_on_does_not_look_at_data_again_and_ends_as_one_that_did_not_stop(string init)
    {
        using var whole = new TemporaryDirectory();
        using var parts = new TemporaryDirectory();
        string[] call = ["train", .. Small, "--init-lora-weights", init, "--max-steps", "3", "--save-steps", "1", "--learning-rate",
            "1e-3"];
        Assert.That(ToolRun.Of([.. call, "--output-dir", whole.FullPath]).ExitCode, Is.Zero);

        var last = ToolRun.Of([.. call, "--output-dir", parts.FullPath, "--resume-from-checkpoint",
            Path.Combine(whole.FullPath, "checkpoint-2")]);

        Assert.That(last.ExitCode, Is.Zero, last.Error);
        Assert.That(last.Error, Does.Not.Contain("looks at"));
        Assert.That(RunOutcome.Weights(parts.FullPath), Is.EqualTo(RunOutcome.Weights(whole.FullPath)));
        string[] otherRank = [.. call, "--lora-r", "3", "--output-dir", parts.FullPath, "--resume-from-checkpoint",
            Path.Combine(whole.FullPath, "checkpoint-2")];
        Assert.That(init == "eva" ? 2 : ToolRun.Of(Without(otherRank, "--lora-r", "4")).ExitCode, Is.EqualTo(2));
    }

    [TestCase("eva")]
    [TestCase("corda")]
    public void Too_little_data_gets_a_sentence(string init)
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("few.jsonl", """{"text": "On Monday"}""" + "\n");

        var run = ToolRun.Of(Without(["train", .. Small, "--init-lora-weights", init, "--lora-r", "16", "--data", data, "--max-steps", "1",
            "--output-dir", Path.Combine(directory.FullPath, "run")],
            "--data", Bundled.DemoData));

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error,
            Does.Contain($"{init} with rank 4 looks at more than 4 tokens").Or.Contain(
            $"{init} with rank 16 looks at more than 16 tokens"));
    }

    [TestCase("eva", true)]
    [TestCase("corda", false)]
    [TestCase("lora_ga", false)]
    public void A_plan_needs_no_data_and_says_what_it_cannot_know(string init, bool unsure)
    {
        string[] flags = ["--model", Bundled.BaseLlama, "--init-lora-weights", init, "--batch-size", "1", "--max-seq-length", "32"];

        var plan = ToolRun.Of(["plan", .. flags]);
        var step = ToolRun.Of(["bench", "step", .. flags, "--steps", "1", "--warmup", "0", "--json"]);

        Assert.That(plan.ExitCode, Is.Zero, plan.Error);
        Assert.That(plan.Output.Contains("moves ranks between layers", StringComparison.Ordinal), Is.EqualTo(unsure));
        Assert.That(step.ExitCode, Is.Zero, step.Error);
        Assert.That(step.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(step.Json.GetProperty("planned_bytes").GetInt64()));
    }

    [Test]
    public void Methods_are_compared_from_their_own_start()
    {
        using var directory = new TemporaryDirectory();

        var run = ToolRun.Of("compare", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "2", "--max-seq-length",
            "48", "--max-steps", "1", "--learning-rates", "1e-3",
            "--methods", "eva[r=2,target_modules=[\"layers.1.self_attn.q_proj\"]]", "--output-dir", directory.FullPath, "--json");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var config =
            JsonDocument.Parse(File.ReadAllText(Directory.GetFiles(directory.FullPath, "adapter_config.json",
                SearchOption.AllDirectories)[0]));
        Assert.That(config.RootElement.GetProperty("init_lora_weights").GetString(), Is.EqualTo("eva"));
    }

    [Test]
    public void A_misspelled_start_is_refused_with_those_there_are()
    {
        using var directory = new TemporaryDirectory();
        var run = ToolRun.Of(["train", .. Small, "--init-lora-weights", "evil", "--output-dir", directory.FullPath]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("evil").And.Contain("lora_ga"));
    }

    [TestCase("pissa")]
    [TestCase("olora")]
    public void A_trained_adapter_becomes_a_plain_lora_of_twice_the_rank_with_the_same_loss(string init)
    {
        using var directory = new TemporaryDirectory();
        string run = Path.Combine(directory.FullPath, "run"), start = Path.Combine(directory.FullPath, "start"),
            plain = Path.Combine(directory.FullPath, "plain"), same = Path.Combine(directory.FullPath, "same");
        string[] call = ["train", .. Small, "--init-lora-weights", init, "--max-steps", "3"];
        Assert.That(ToolRun.Of([.. call, "--learning-rate", "1e-3", "--output-dir", run]).ExitCode, Is.Zero);
        // Such small steps are lost in rounding, so the saved adapter is the initial one.
        Assert.That(ToolRun.Of([.. call, "--learning-rate", "1e-30", "--output-dir", start]).ExitCode, Is.Zero);

        var byFiles = ToolRun.Of("convert", "--adapter", run, "--initial-adapter", start, "--output-dir", plain);
        var byBase = ToolRun.Of("convert", "--adapter", run, "--model", Bundled.BaseLlama, "--output-dir", same);

        Assert.That(byFiles.ExitCode, Is.Zero, byFiles.Error);
        Assert.That(byBase.ExitCode, Is.Zero, byBase.Error);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(plain, "adapter_config.json")));
        Assert.That(config.RootElement.GetProperty("r").GetInt32(), Is.EqualTo(8));
        Assert.That(Loss(plain), Is.EqualTo(Loss(run)).Within(1e-5));
        Assert.That(Loss(same), Is.EqualTo(Loss(run)).Within(1e-5));
        Assert.That(ToolRun.Of("convert", "--adapter", run, "--initial-adapter", start, "--rank", "2", "--output-dir", plain).ExitCode,
            Is.EqualTo(2));
    }

    private static double Loss(string adapter) =>
        ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--adapter", adapter, "--data", Path.Combine(Bundled.DemoData, "valid.jsonl"),
        "--max-seq-length", "64", "--batch-size", "2", "--json").Json.GetProperty("loss").GetDouble();

    /// <summary>A call without the first occurrence of a flag, so that a later one is used.</summary>
    private static string[] Without(string[] call, string flag, string value)
    {
        int at = Enumerable.Range(0, call.Length - 1).First(i => call[i] == flag && call[i + 1] == value);
        return [.. call[..at], .. call[(at + 2)..]];
    }
}

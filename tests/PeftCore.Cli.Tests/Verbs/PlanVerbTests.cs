namespace PeftCore.Cli.Tests.Verbs;

public sealed class PlanVerbTests
{
    private static IEnumerable<string[]> Shapes() =>
        from family in new[] { "llama", "gpt2" }
        from rank in new[] { "2", "8" }
        from checkpointing in new[] { "false", "true" }
        select (string[])[Bundled.Fixture("hf", family, "base"), rank, checkpointing];

    [TestCaseSource(nameof(Shapes))]
    public void Planned_peak_is_the_measured_peak(string model, string rank, string checkpointing)
    {
        string[] flags = ["--model", model, "--target-modules", "all-linear", "--lora-r", rank, "--batch-size", "3", "--max-seq-length",
            "40",
            .. checkpointing == "true" ? (string[])["--gradient-checkpointing"] : []];

        var plan = ToolRun.Of(["plan", "--json", .. flags]).Json;
        var step = ToolRun.Of(["bench", "step", "--json", "--steps", "1", "--warmup", "1", .. flags]).Json;

        Assert.That(step.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(plan.GetProperty("planned_bytes").GetInt64()));
        Assert.That(step.GetProperty("planned_bytes").GetInt64(), Is.EqualTo(plan.GetProperty("planned_bytes").GetInt64()));
    }

    [Test]
    public void A_configuration_alone_is_planned_without_its_weights()
    {
        using var directory = new TemporaryDirectory();
        string config = directory.Write("config.json", """
            {"model_type":"llama","hidden_size":4096,"intermediate_size":11008,"num_hidden_layers":32,"num_attention_heads":32,"vocab_size":32000,
             "max_position_embeddings":4096,"hidden_act":"silu"}
            """);

        var plan = ToolRun.Of("plan", "--json", "--config", config, "--dtype", "bf16", "--batch-size", "2", "--max-seq-length",
            "1024").Json;

        Assert.That(plan.GetProperty("parameters").GetInt64(), Is.GreaterThan(6_700_000_000));
        Assert.That(plan.GetProperty("at_peak").GetProperty("frozen").GetInt64(), Is.GreaterThan(13_000_000_000));
    }

    [Test]
    public void A_plan_that_does_not_fit_fails()
    {
        var run = ToolRun.Of("plan", "--model", Bundled.BaseLlama, "--max-memory", "8MiB", "--max-seq-length", "64");

        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Output, Does.Contain("does not fit").And.Contain("--max-memory is 8.0 MiB").And.Match(@"takes [0-9.]+ MiB"));
    }
}

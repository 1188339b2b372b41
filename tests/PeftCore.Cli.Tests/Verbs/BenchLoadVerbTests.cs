namespace PeftCore.Cli.Tests.Verbs;

public sealed class BenchLoadVerbTests
{
    [TestCase("1", "stored")]
    [TestCase("3", "f32")]
    public void Loading_takes_what_is_planned(string shards, string dtype)
    {
        using var directory = new TemporaryDirectory();
        string config = directory.Write("config.json", """
            {"model_type":"llama","vocab_size":30000,"hidden_size":128,"intermediate_size":256,"num_hidden_layers":2,"num_attention_heads":4,
             "max_position_embeddings":64,"hidden_act":"silu"}
            """);

        var report = ToolRun.Of("bench", "load", "--json", "--config", config, "--shards", shards, "--dtype", dtype).Json;

        long stored = report.GetProperty("stored_bytes").GetInt64(), weights = report.GetProperty("weight_bytes").GetInt64();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(weights, Is.EqualTo((dtype == "f32" ? 2 : 1) * stored).Within(1).Percent);
            Assert.That(report.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(report.GetProperty("planned_bytes").GetInt64()));
            Assert.That(report.GetProperty("reserved_bytes").GetInt64(),
                Is.EqualTo(report.GetProperty("planned_reserved_bytes").GetInt64()));
            Assert.That(report.GetProperty("gb_s").GetDouble(), Is.Positive);
        }
    }

    [TestCase("expected either --model DIR or --config FILE")]
    [TestCase("--shards and --stored are about the files of --config", "--model", "m", "--shards", "2")]
    [TestCase("expected either --model DIR or --config FILE", "--model", "m", "--config", "c")]
    public void Flags_that_contradict_each_other_are_refused(string message, params string[] flags)
    {
        var run = ToolRun.Of(["bench", "load", .. flags]);

        Assert.That(run.ExitCode, Is.Not.Zero);
        Assert.That(run.Error, Does.Contain(message));
    }
}

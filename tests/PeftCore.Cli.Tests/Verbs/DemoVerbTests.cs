namespace PeftCore.Cli.Tests.Verbs;

public sealed class DemoVerbTests
{
    [Test]
    public void The_demo_lowers_the_held_out_loss_and_all_three_agree()
    {
        var run = ToolRun.Of("demo", "--json", "--max-steps", "20");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("eval_loss_after").GetDouble(),
            Is.LessThan(0.8 * run.Json.GetProperty("eval_loss_before").GetDouble()));
        Assert.That(run.Json.GetProperty("max_disagreement").GetDouble(), Is.LessThan(1e-4));
        Assert.That(run.Json.GetProperty("adapter_bytes").GetInt64(), Is.LessThan(run.Json.GetProperty("model_bytes").GetInt64()));
        double planned = run.Json.GetProperty("planned_bytes").GetDouble();
        Assert.That(run.Json.GetProperty("peak_bytes").GetDouble(), Is.LessThanOrEqualTo(1.01 * planned));
        Assert.That(run.Error, Does.Contain("[before]").And.Contain("[after]").And.Contain("Who:"));
    }
}

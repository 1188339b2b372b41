namespace PeftCore.Cli.Tests.Verbs;

public sealed class EnvVerbTests
{
    [Test]
    public void People_read_about_cpu_memory_and_ilgpu()
    {
        var run = ToolRun.Of("env");

        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
        Assert.That(run.Output, Does.Contain("cpu").And.Contain("memory").And.Contain("ilgpu").And.Contain("logical cores"));
    }

    [Test]
    public void Programs_read_one_object_and_people_standard_error()
    {
        var run = ToolRun.Of("env", "--json");

        Assert.That(run.ExitCode, Is.Zero);
        Assert.That(run.Json.GetProperty("cpu").GetProperty("cores").GetInt32(), Is.EqualTo(Environment.ProcessorCount));
        Assert.That(run.Json.GetProperty("devices")[0].GetProperty("kind").GetString(), Is.EqualTo("cpu"));
        Assert.That(run.Json.GetProperty("ilgpu").GetProperty("version").GetString(), Does.StartWith("1.5"));
        Assert.That(run.Json.GetProperty("ilgpu").GetProperty("detail").GetString(), Is.Not.Empty);
        Assert.That(run.Error, Does.Contain("ilgpu"));
    }
}

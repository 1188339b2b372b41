namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/documents.md: the commands of its run, with few steps.</summary>
public sealed class DocumentsPageTests
{
    private const string Page = """{"words": ["total", "55.65"], "boxes": [[75, 825, 135, 850], [775, 825, 835, 850]]}""";

    [Test]
    public void The_commands_of_the_run_train_measure_tag_and_compare()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("page.json", Page);
        var commands = PageCommands.In("documents.md", "## A run");
        Assert.That(commands, Has.Count.GreaterThanOrEqualTo(7));
        var runs = new Dictionary<string, ToolRun>();
        foreach (string command in commands)
        {
            runs[command.Split(' ')[1]] = PageCommands.Run(directory, command,
                word => word.StartsWith("./", StringComparison.Ordinal) || word == "page.json", command.Split(' ')[1] switch
                {
                    "demo" => ["--max-steps", "2"],
                    "compare" => ["--max-steps", "2", "--learning-rates", "1e-2"],
                    _ => [],
                });
        }
        Assert.That(runs["eval"].Json.GetProperty("f1").GetDouble(), Is.InRange(0, 1));
        Assert.That(runs["generate"].Json.GetProperty("pages")[0].GetProperty("words").GetArrayLength(), Is.EqualTo(2));
        Assert.That(runs["compare"].Json.GetProperty("methods").EnumerateArray().Select(method => method.GetProperty("method").GetString()),
            Is.EqualTo(["lora", "bitfit", "ln_tuning"]));
        Assert.That(File.ReadAllText(Path.Combine(directory.FullPath, "invoices", "form.svg")), Does.StartWith("<svg"));
    }
}

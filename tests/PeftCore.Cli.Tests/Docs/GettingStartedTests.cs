namespace PeftCore.Cli.Tests.Docs;

/// <summary>docs/getting-started/tool.md: its commands, with few steps.</summary>
public sealed class GettingStartedTests
{
    [Test]
    public void The_commands_of_the_page_train_evaluate_generate_and_merge()
    {
        using var directory = new TemporaryDirectory();
        var commands = PageCommands.In(Path.Combine("getting-started", "tool.md"), "## With a model and data of your own");
        Assert.That(commands.Select(command => command.Split(' ')[1]),
            Is.EqualTo(new[] { "inspect", "plan", "train", "eval", "generate", "merge" }));

        var runs = commands.Select(command => PageCommands.Run(directory, command, word => word is "out" or "merged")).ToList();

        Assert.That(runs[2].Json.GetProperty("steps").GetInt32(), Is.EqualTo(2));
        Assert.That(runs[4].Json.GetProperty("text").GetString(), Is.Not.Empty);
        Assert.That(Path.Combine(directory.FullPath, "merged", "model.safetensors"), Does.Exist);
    }
}

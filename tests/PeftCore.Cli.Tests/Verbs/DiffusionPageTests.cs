namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/diffusion.md: the commands of its run, with few steps.</summary>
public sealed class DiffusionPageTests
{
    [Test]
    public void The_commands_of_the_run_make_pictures_before_and_after()
    {
        using var directory = new TemporaryDirectory();
        var commands = PageCommands.In("diffusion.md", "## A run");
        Assert.That(commands, Has.Count.GreaterThanOrEqualTo(8));
        foreach (string command in commands)
        {
            PageCommands.Run(directory, command, word => word.StartsWith("out/", StringComparison.Ordinal));
        }
        string Drawn(string name) => Path.Combine(directory.FullPath, "out", name, "all.png");
        Assert.That(File.ReadAllBytes(Drawn("after")), Is.Not.EqualTo(File.ReadAllBytes(Drawn("before"))));
        Assert.That(File.Exists(Path.Combine(directory.FullPath, "out", "discs", "pytorch_lora_weights.safetensors")));
    }
}

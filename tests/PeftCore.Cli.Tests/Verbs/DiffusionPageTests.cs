using System.Globalization;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/diffusion.md: the commands of its run, with few steps.</summary>
public sealed class DiffusionPageTests
{
    // Flags that say how long a command computes, and what they are here.
    private static readonly Dictionary<string, int> Short = new()
    {
        ["--max-steps"] = 2, ["--num-images"] = 2, ["--num-inference-steps"] = 2,
    };

    [Test]
    public void The_commands_of_the_run_make_pictures_before_and_after()
    {
        using var directory = new TemporaryDirectory();
        var commands = File.ReadLines(Path.Combine(Repository.Root, "docs", "diffusion.md")).SkipWhile(line => line != "## A run")
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal) || line == "## A run")
            .Where(line => line.StartsWith("peftcore ", StringComparison.Ordinal)).ToList();
        Assert.That(commands, Has.Count.GreaterThanOrEqualTo(8));
        foreach (string command in commands)
        {
            string[] words = [.. command.Split(' ').Skip(1)];
            string[] args = [.. words.Select((word, i) => i > 0 && Short.TryGetValue(words[i - 1], out int few)
                ? few.ToString(CultureInfo.InvariantCulture) : Resolved(directory, word))];
            var run = ToolRun.Of([.. args, "--json"]);
            Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        }
        string Drawn(string name) => Path.Combine(directory.FullPath, "out", name, "all.png");
        Assert.That(File.ReadAllBytes(Drawn("after")), Is.Not.EqualTo(File.ReadAllBytes(Drawn("before"))));
        Assert.That(File.Exists(Path.Combine(directory.FullPath, "out", "discs", "pytorch_lora_weights.safetensors")));
    }

    private static string Resolved(TemporaryDirectory directory, string word) => word.StartsWith("out/", StringComparison.Ordinal)
        ? Path.Combine(directory.FullPath, word) : word.StartsWith("src/", StringComparison.Ordinal)
        ? Path.Combine(Repository.Root, word) : word;
}

using System.Text.RegularExpressions;

namespace PeftCore.Cli.Tests.Output;

public sealed partial class GroupedHelpTests
{
    [Test]
    public void Verbs_are_listed_by_purpose()
    {
        string[] help = Lines("--help");

        Assert.That(help, Is.SupersetOf(new[] { "Train", "Use a model", "Check and time", "With every verb" }));
        Assert.That(Array.FindIndex(help, line => line.StartsWith("  train ", StringComparison.Ordinal)),
            Is.GreaterThan(Array.IndexOf(help, "Train")).And.LessThan(Array.IndexOf(help, "Use a model")));
        Assert.That(help[^1], Is.EqualTo("\"peftcore VERB --help\" explains a verb."));
    }

    [Test]
    public void The_flags_of_a_verb_are_listed_under_headings()
    {
        string[] help = Lines("train", "--help");

        Assert.That(help, Does.Contain("usage: peftcore train [options]"));
        string[] headings = [.. help.Where(line => line.Length > 0 && line[0] != ' ')];
        Assert.That(headings, Is.SupersetOf(new[] { "Model and data", "LoRA", "Training", "Device and memory", "With every verb" }));
        Assert.That(SectionOf(help, "  --lora-r N"), Is.EqualTo("LoRA"));
        Assert.That(SectionOf(help, "  --learning-rate N"), Is.EqualTo("Training"));
        Assert.That(SectionOf(help, "  -c, --settings FILE"), Is.EqualTo("With every verb"));
    }

    [TestCase("train")]
    [TestCase("generate")]
    [TestCase("eval")]
    [TestCase("select")]
    [TestCase("bench", "step")]
    public void Every_flag_is_listed_once_and_no_line_is_wider_than_the_terminal(params string[] verb)
    {
        string[] help = Lines([.. verb, "--help"]);
        string[] flags = [.. help.Select(line => Flag().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value)];

        Assert.That(flags, Is.Unique.And.SupersetOf(new[] { "--model", "--json", "--device", "--help" }));
        // A flag with all of its values is one line, however long.
        Assert.That(help.Where(line => line.Length > 100 && !Flag().IsMatch(line)), Is.Empty);
    }

    [Test]
    public void Arguments_other_names_and_required_flags_are_told()
    {
        Assert.That(Lines("verify", "--help"), Does.Contain("usage: peftcore verify DIR… [options]"));
        Assert.That(ToolRun.Of("train", "--help").Output, Does.Contain("[also --model-name-or-path]"));
        Assert.That(ToolRun.Of("merge", "--help").Output, Does.Contain("[required]"));
        Assert.That(Lines("bench", "--help"), Does.Contain("usage: peftcore bench VERB [options]"));
    }

    private static string SectionOf(string[] help, string row) =>
        help[..Array.FindIndex(help, line => line.StartsWith(row, StringComparison.Ordinal))]
            .Last(line => line.Length > 0 && line[0] != ' ');

    private static string[] Lines(params string[] args)
    {
        var run = ToolRun.Of(args);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return [.. run.Output.TrimEnd().Split('\n').Select(line => line.TrimEnd('\r'))];
    }

    [GeneratedRegex("^  (?:-[a-z], )?(--[a-z0-9-]+)")]
    private static partial Regex Flag();
}

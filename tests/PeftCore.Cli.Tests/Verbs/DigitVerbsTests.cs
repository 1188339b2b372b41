using System.Text.RegularExpressions;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/audio.md: the commands that teach a model digits from nothing, run for a few steps on tones.</summary>
public sealed partial class DigitVerbsTests
{
    private const int Rate = 8000;

    [Test]
    public void The_commands_of_the_page_run_and_the_loss_falls()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("digits/train.jsonl", Rows(directory, ["a", "b"]));
        directory.Write("digits/test.jsonl", Rows(directory, ["c"]));
        var runs = File.ReadLines(Path.Combine(Repository.Root, "docs", "audio.md"))
            .Where(line => line.StartsWith("peftcore ") && line.Contains("out/start"))
            .Select(command => (Command: command, Run: Run(directory, command))).ToList();

        Assert.That(runs.Select(run => run.Command.Split(' ')[1]), Is.EqualTo(new[] { "init", "train", "eval", "merge" }));
        Assert.That(runs[0].Run.Json.GetProperty("parameters").GetInt64(), Is.GreaterThan(100_000));
        double[] losses = [.. File.ReadLines(Path.Combine(directory.FullPath, "out", "digits", "training_log.jsonl"))
            .Where(line => line.Contains("\"learning_rate\""))
            .Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("loss").GetDouble())];
        Assert.That(losses[^1], Is.LessThan(losses[0] / 2));
        Assert.That(runs[2].Run.Json.GetProperty("wer").GetDouble(), Is.InRange(0, 2));
    }

    private static ToolRun Run(TemporaryDirectory directory, string command)
    {
        // A few steps are enough for tones: the page's number of steps is for voices.
        command = Steps().Replace(command, "--max-steps 12").Replace("--batch-size 16", "--batch-size 4") + (command.Contains(" train ")
            ? " --logging-steps 1" : "");
        var run = ToolRun.Of([.. command.Split(' ').Skip(1).Select(word => word.StartsWith("docs/")
            ? Path.Combine(Repository.Root, word) : word.StartsWith("out/") || word.StartsWith("digits")
            ? Path.Combine(directory.FullPath, word) : word), "--json"]);
        Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        return run;
    }

    /// <summary>A tone for each digit and voice, and the rows that name them.</summary>
    private static string Rows(TemporaryDirectory directory, string[] voices) => string.Concat(voices.Select((voice, v) => string.Concat(
        Enumerable.Range(0, 3).Select(digit =>
        {
            double pitch = 0.15 + 0.2 * digit + 0.01 * v;
            TestWav.Write(Path.Combine(directory.FullPath, "digits", $"{digit}_{voice}.wav"),
                [.. Enumerable.Range(0, 2400).Select(t => 0.5 * Math.Sin(pitch * t))], Rate);
            return $$"""{"file_name": "{{digit}}_{{voice}}.wav", "text": "{{digit}}"}""" + "\n";
        }))));

    [GeneratedRegex("--max-steps \\d+")]
    private static partial Regex Steps();
}

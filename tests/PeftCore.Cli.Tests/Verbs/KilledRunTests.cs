using System.Diagnostics;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class KilledRunTests
{
    private const int Kills = 20;

    private static readonly string[] Arguments =
    [
        "train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--lora-r", "2", "--lora-dropout", "0.1", "--batch-size", "1",
        "--max-seq-length", "48",
        "--threads", "2", "--max-steps", "120", "--save-steps", "3", "--eval-steps", "1000", "--logging-steps", "1", "--learning-rate",
        "1e-3",
    ];

    [Test]
    public void Killed_at_twenty_random_moments_and_resumed_a_run_ends_with_the_same_bits()
    {
        using var whole = new TemporaryDirectory();
        using var killed = new TemporaryDirectory();
        var clock = Stopwatch.StartNew();
        Assert.That(Finish(whole.FullPath), Is.Zero);
        double seconds = clock.Elapsed.TotalSeconds;
        var random = new Random(20);

        for (int i = 0; i < Kills; i++)
        {
            using var run = Start(killed.FullPath);
            // Anywhere from before the first file is opened to the middle of the run.
            if (!run.WaitForExit(TimeSpan.FromSeconds(seconds * (0.05 + 0.45 * random.NextDouble()))))
            {
                run.Kill();
                run.WaitForExit();
            }
        }

        Assert.That(Finish(killed.FullPath), Is.Zero);
        Assert.That(RunOutcome.Weights(killed.FullPath), Is.EqualTo(RunOutcome.Weights(whole.FullPath)));
        Assert.That(RunOutcome.Log(killed.FullPath), Is.EqualTo(RunOutcome.Log(whole.FullPath)));
    }

    private static int Finish(string output)
    {
        using var run = Start(output);
        run.WaitForExit();
        return run.ExitCode;
    }

    private static Process Start(string output)
    {
        string[] resume = Checkpoint.Last(output) is null ? [] : ["--resume-from-checkpoint", output];
        return ToolProcess.Start([.. Arguments, "--output-dir", output, .. resume]);
    }
}

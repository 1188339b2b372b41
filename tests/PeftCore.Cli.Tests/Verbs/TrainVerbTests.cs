using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class TrainVerbTests
{
    private static readonly string[] Small =
        ["--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--lora-r", "4", "--batch-size", "2", "--max-seq-length", "96",
            "--learning-rate", "1e-3", "--logging-steps", "1"];

    [Test]
    public void A_run_leaves_adapter_log_picture_settings_and_checkpoint()
    {
        using var directory = new TemporaryDirectory();

        var run = Train(directory.FullPath, "--max-steps", "4", "--save-steps", "2", "--json");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("trainable params: 16,128 || all params: "));
        Assert.That(run.Json.GetProperty("steps").GetInt32(), Is.EqualTo(4));
        Assert.That(run.Json.GetProperty("eval_loss").GetDouble(), Is.GreaterThan(0).And.LessThan(20));
        foreach (string name in (string[])["adapter_config.json", "adapter_model.safetensors", "training_log.jsonl", "training_loss.svg",
            "training_settings.json",
            "checkpoint-4/trainer_state.json", "checkpoint-4/adapter_model.safetensors"])
        {
            Assert.That(Path.Combine(directory.FullPath, name), Does.Exist);
        }
    }

    [Test]
    public void A_run_that_stopped_and_went_on_ends_bit_equal_to_one_that_did_not()
    {
        using var whole = new TemporaryDirectory();
        using var parts = new TemporaryDirectory();
        string[] more = ["--lora-dropout", "0.1", "--gradient-accumulation-steps", "2", "--save-steps", "2", "--max-steps", "5"];
        Assert.That(Train(whole.FullPath, more).ExitCode, Is.Zero);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        // With a cancelled token, each call runs one step, saves, and reports the interruption.
        Assert.That(Train(stop.Token, parts.FullPath, more).ExitCode, Is.EqualTo(1));
        for (int i = 0; i < 2; i++)
        {
            Train(stop.Token, parts.FullPath, [.. more, "--resume-from-checkpoint", parts.FullPath]);
        }
        var last = Train(parts.FullPath, [.. more, "--resume-from-checkpoint", parts.FullPath]);

        Assert.That(last.ExitCode, Is.Zero, last.Error);
        Assert.That(RunOutcome.Weights(parts.FullPath), Is.EqualTo(RunOutcome.Weights(whole.FullPath)));
        Assert.That(RunOutcome.Log(parts.FullPath), Is.EqualTo(RunOutcome.Log(whole.FullPath)));
    }

    [Test]
    public void A_finished_run_that_is_resumed_says_so_and_keeps_its_result()
    {
        using var directory = new TemporaryDirectory();
        Assert.That(Train(directory.FullPath, "--max-steps", "2").ExitCode, Is.Zero);
        byte[] weights = RunOutcome.Weights(directory.FullPath);
        var log = RunOutcome.Log(directory.FullPath);

        var again = Train(directory.FullPath, "--max-steps", "2", "--resume-from-checkpoint", directory.FullPath);
        var json = Train(directory.FullPath, "--max-steps", "2", "--resume-from-checkpoint", directory.FullPath, "--json");
        var more = Train(directory.FullPath, "--max-steps", "3", "--resume-from-checkpoint", directory.FullPath, "--json");

        Assert.That(again.ExitCode, Is.Zero, again.Error);
        Assert.That(again.Output, Does.Contain("the run was finished already: 2 steps are done and 2 are asked for; raise --max-steps"));
        Assert.That((json.ExitCode, json.Json.GetProperty("was_finished").GetBoolean(), json.Json.GetProperty("steps").GetInt32()),
            Is.EqualTo((0, true, 2)));
        Assert.That(more.Json.GetProperty("was_finished").GetBoolean(), Is.False);
        Assert.That(RunOutcome.Weights(directory.FullPath), Is.Not.EqualTo(weights));
        Assert.That(RunOutcome.Log(directory.FullPath).Count, Is.GreaterThan(log.Count));
    }

    [Test]
    public void Settings_of_a_run_can_be_used_again()
    {
        using var directory = new TemporaryDirectory();
        Train(directory.FullPath, "--max-steps", "1");
        using var second = new TemporaryDirectory();

        var run = ToolRun.Of("train", "-c", Path.Combine(directory.FullPath, "training_settings.json"), "--output-dir", second.FullPath);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(RunOutcome.Weights(second.FullPath), Is.EqualTo(RunOutcome.Weights(directory.FullPath)));
    }

    [TestCase("--target-modules", "q_prj", "did you mean q_proj")]
    [TestCase("--lora-r", "1000", "rank 1000")]
    [TestCase("--max-seq-length", "5000", "512")]
    [TestCase("--data", "nowhere.jsonl", "nowhere.jsonl")]
    [TestCase("--model", "nowhere", "nowhere")]
    [TestCase("--method", "magic", "magic")]
    public void Bad_input_gets_a_sentence_and_exit_code_2(string flag, string value, string expected)
    {
        using var directory = new TemporaryDirectory();

        var run = Train(directory.FullPath, "--max-steps", "1", flag, value);

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(expected));
        Assert.That(run.Error.Trim().Split('\n'), Has.Length.EqualTo(1), run.Error);
    }

    [Test]
    public void A_learning_rate_that_diverges_names_the_step_and_fails()
    {
        using var directory = new TemporaryDirectory();

        var run = Train(directory.FullPath, "--max-steps", "30", "--learning-rate", "1e38", "--max-grad-norm", "0");

        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Error, Does.Contain("step "));
    }

    private static ToolRun Train(string output, params string[] more) => Train(CancellationToken.None, output, more);

    /// <summary>A small run; <paramref name="more"/> overrides its flags.</summary>
    private static ToolRun Train(CancellationToken stop, string output, params string[] more) =>
        ToolRun.Of(stop, ["train", .. Small.Chunk(2).Where(pair => !more.Contains(pair[0])).SelectMany(pair => pair), "--output-dir",
            output, .. more]);
}

/// <summary>The results that must be equal for interrupted and uninterrupted runs.</summary>
internal static class RunOutcome
{
    private static readonly HashSet<string> Clock = ["tok_s", "elapsed", "peak_bytes"];

    public static byte[] Weights(string directory)
    {
        using var file = SafetensorsFile.Open(Path.Combine(directory, "adapter_model.safetensors"));
        return [.. file.Entries.Values.OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .SelectMany(entry => file.Bytes(entry).ToArray())];
    }

    public static List<string> Log(string directory) =>
        [.. File.ReadLines(Path.Combine(directory, "training_log.jsonl"))
            .Select(line => string.Join(' ', JsonDocument.Parse(line).RootElement.EnumerateObject()
            .Where(field => !Clock.Contains(field.Name)).Select(field => field.ToString())))];
}

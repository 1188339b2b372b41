using System.Diagnostics;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Verbs;

[Platform(Exclude = "Win", Reason = "Windows has no kill command")]
public sealed class SignalTests
{
    private static readonly string[] Endless =
    [
        "train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "1", "--max-seq-length", "48", "--max-steps",
        "1000000", "--logging-steps", "1", "--output-dir",
    ];

    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    public void A_signal_ends_a_run_with_a_checkpoint_a_sentence_and_its_exit_code(string signal, int code)
    {
        using var directory = new TemporaryDirectory();
        string output = Path.Combine(directory.FullPath, "run");
        var lines = new List<string>();
        using var began = new ManualResetEventSlim();
        using var run = ToolProcess.Start(line =>
        {
            lines.Add(line);
            if (line.Contains("1/1000000", StringComparison.Ordinal))
            {
                began.Set();
            }
        }, [.. Endless, output]);
        began.Wait();
        Process.Start("kill", ["-" + signal, $"{run.Id}"])!.WaitForExit();
        run.WaitForExit();

        Assert.That(run.ExitCode, Is.EqualTo(code));
        string checkpoint = Checkpoint.Last(output)!;
        Assert.That(lines[^1],
            Is.EqualTo($"peftcore: stopped at step {Path.GetFileName(checkpoint)["checkpoint-".Length..]}; go on with " +
            $"--resume-from-checkpoint {checkpoint}"));
        Assert.That(Directory.GetFiles(output, ".peftcore-*"), Is.Empty);
    }

    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    public void A_signal_ends_a_chat_that_waits_for_a_line(string signal, int code)
    {
        using var run = Process.Start(new ProcessStartInfo("dotnet", [typeof(Tool).Assembly.Location, "chat", "--model", Bundled.BaseLlama,
            "--chat-template", "chatml", "--max-new-tokens", "2"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        run.StandardInput.WriteLine("Hello");
        run.StandardInput.Flush();
        run.StandardOutput.ReadLine(); // The answer: the next line is waited for.
        Process.Start("kill", ["-" + signal, $"{run.Id}"])!.WaitForExit();
        string error = run.StandardError.ReadToEnd();
        run.WaitForExit();

        Assert.That(run.ExitCode, Is.EqualTo(code));
        Assert.That(error.TrimEnd(), Does.EndWith("peftcore: stopped"));
    }

    [TestCase("generate", "--prompt", "It was")]
    [TestCase("chat", "--chat-template", "chatml")]
    [TestCase("eval", "--data", "data")]
    [TestCase("bench step", "--batch-size", "1")]
    [TestCase("bench generate", "--prompt-length", "4")]
    [TestCase("select", "--data", "data")]
    [TestCase("compare", "--data", "data")]
    [TestCase("merge", "--adapter", "adapter")]
    public void A_verb_that_is_stopped_says_so_and_writes_nothing(string verb, string flag, string value)
    {
        using var directory = new TemporaryDirectory();
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        string output = Path.Combine(directory.FullPath, "out");
        string[] more = verb is "select" or "compare" or "merge" ? ["--output-dir", output] : [];
        string model = verb == "merge" ? Bundled.Fixture("hf", "llama", "base") : Bundled.BaseLlama;
        string given = value == "data" ? Bundled.DemoData : value == "adapter" ? Bundled.Fixture("hf", "llama", "lora") : value;

        var run = ToolRun.Of(stop.Token, [.. verb.Split(' '), "--model", model, flag, given, .. more]);

        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error.TrimEnd(), Does.EndWith("peftcore: stopped"));
        Assert.That(Directory.Exists(output), Is.False);
    }

    [Test]
    public void Output_that_nobody_can_take_is_said_in_a_sentence()
    {
        Assume.That(File.Exists("/dev/full"));
        using var run = Process.Start(new ProcessStartInfo("sh",
            ["-c", $"dotnet '{typeof(Tool).Assembly.Location}' inspect '{Bundled.BaseLlama}' > /dev/full"])
        {
            RedirectStandardError =
            true
        })!;
        string error = run.StandardError.ReadToEnd();
        run.WaitForExit();

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(error.TrimEnd(),
            Is.EqualTo("peftcore: standard output cannot be written to: No space left on device; send it elsewhere."));
    }

    [Test]
    public void Output_whose_reader_has_gone_does_not_stop_the_work()
    {
        using var directory = new TemporaryDirectory();
        string output = Path.Combine(directory.FullPath, "run"), codes = Path.Combine(directory.FullPath, "code");
        string[] call = [.. Endless.Select(word => word == "1000000" ? "2" : word), output];
        string words = string.Join(' ', call.Select(word => $"'{word}'"));
        using var run = Process.Start(new ProcessStartInfo("sh",
            ["-c", $"(dotnet '{typeof(Tool).Assembly.Location}' {words} 2>&1; echo $? > '{codes}') | head -n 1"])
        {
            RedirectStandardOutput = true,
        })!;
        string seen = run.StandardOutput.ReadToEnd();
        run.WaitForExit();

        Assert.That(seen.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(File.ReadAllText(codes).Trim(), Is.EqualTo("0"));
        Assert.That(Path.Combine(output, "adapter_model.safetensors"), Does.Exist);
    }
}

using System.Diagnostics;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Whatever path, size or limit is given, a verb ends with a sentence and never with the text for bugs.</summary>
public sealed class BadPathTests
{
    private static readonly string LlamaBase = Bundled.Fixture("hf", "llama", "base");
    private static readonly string LlamaAdapter = Bundled.Fixture("hf", "llama", "lora");

    private static readonly string Small = $"--model {Bundled.BaseLlama} --data {Bundled.DemoData} --batch-size 1 --max-seq-length 16";

    /// <summary>Calls that write: the path of the output is at the end.</summary>
    private static readonly string[] Writers =
    [
        $"train {Small} --max-steps 1 --output-dir",
        $"select {Small} --criterion magnitude --output-dir",
        $"compare {Small} --methods ia3 --learning-rates 1e-3 --max-steps 1 --output-dir",
        $"merge --model {LlamaBase} --adapter {LlamaAdapter} --output-dir",
        $"convert --adapter {LlamaAdapter} --output-dir",
        $"convert --adapter {LlamaAdapter} --layout kohya --output-dir",
        $"init --config {LlamaBase} --output-dir",
        "demo --max-steps 1 --output-dir",
        "demo --vision --max-steps 1 --output-dir",
        "demo --documents --max-steps 1 --output-dir",
    ];

    private static readonly string[] Readers =
    [
        "inspect", "verify", "bench load --model", "bench load --config", "plan --config", "init --output-dir new --config",
        $"train --data {Bundled.DemoData} --output-dir new --model", $"train --model {Bundled.BaseLlama} --output-dir new --data",
        "train --output-dir new -c", $"train {Small} --output-dir new --resume-from-checkpoint",
        $"train {Small} --output-dir new --method sparse --mask",
        $"eval --data {Bundled.DemoData} --model", $"eval --model {Bundled.BaseLlama} --data", $"eval {Small} --adapter",
        $"generate --model {Bundled.BaseLlama} --image", $"generate --model {Bundled.BaseLlama} --page",
        $"generate --model {Bundled.BaseLlama} --audio", $"generate --model {Bundled.BaseLlama} --prompt A --adapter",
        "convert --output-dir new --adapter", $"merge --model {LlamaBase} --output-dir new --adapter",
    ];

    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeFiles()
    {
        _directory = new TemporaryDirectory();
        _directory.Write("file", "x");
        Directory.CreateDirectory(Path.Combine(_directory.FullPath, "empty"));
    }

    [TearDown]
    public void RemoveFiles() => _directory.Dispose();

    [TestCaseSource(nameof(Writers))]
    public void An_output_that_is_a_file_or_below_one_is_refused(string call)
    {
        foreach (string output in (string[])["file", "file/sub", "file/sub/deep"])
        {
            Refused($"{call} {Path.Combine(_directory.FullPath, output)}", "a directory is to be written here, but");
        }
    }

    [TestCaseSource(nameof(Writers))]
    [Platform("Linux")]
    public void An_output_on_a_file_system_that_takes_no_files_is_refused(string call) =>
        Refused($"{call} /proc/peftcore/out", "/proc/peftcore");

    [TestCaseSource(nameof(Readers))]
    public void An_input_that_is_no_file_or_not_the_right_one_is_refused(string call)
    {
        foreach (string input in (string[])["file", "file/sub", "empty", "nowhere", new string('a', 5000)])
        {
            Refused($"{call.Replace(" new ", $" {_directory.FullPath}/new ")} {Path.Combine(_directory.FullPath, input)}", "");
        }
        Refused($"train {Small} --output-dir {_directory.FullPath}/new --chat-template {_directory.FullPath}/empty", "--chat-template");
    }

    [TestCase("eval --confusion")]
    [TestCase("generate --spectrogram")]
    [Platform("Linux")]
    public void A_drawing_that_cannot_be_written_is_refused(string call)
    {
        string model = call.StartsWith("eval", StringComparison.Ordinal)
            ? $"--model {Bundled.BaseLlama} --data {Bundled.DemoData} --max-seq-length 16" : $"--model {Bundled.BaseLlama} --audio x.wav";
        foreach (string output in (string[])["empty", "file/sub.svg"])
        {
            Refused($"{call} {Path.Combine(_directory.FullPath, output)} {model}", "");
        }
    }

    [TestCase("eval", "--data")]
    [TestCase("generate", "--prompt")]
    [TestCase("chat", "--chat-template")]
    [TestCase("train", "--data")]
    [TestCase("bench step", "--batch-size")]
    [TestCase("bench generate", "--batch-size")]
    public void A_memory_limit_below_what_is_needed_is_said(string verb, string flag)
    {
        string value = flag == "--data" ? Bundled.DemoData : flag == "--chat-template" ? "chatml" : "1";
        string output = verb == "train" ? $"--output-dir {Path.Combine(_directory.FullPath, "out")}" : "";
        foreach (string limit in (string[])["1MiB", "1", "0", "cpu=1MiB"])
        {
            var run = Run($"{verb} --model {Bundled.BaseLlama} {flag} {value} {output} --max-memory {limit}");
            Assert.That(run.Error, Does.Contain("memory").And.Not.Contain("should not happen"));
            // Evaluation and chat do not know the longest text before the weights are loaded.
            Assert.That(run.ExitCode, Is.EqualTo(verb is "eval" or "chat" ? 1 : 2), run.Error);
        }
    }

    [TestCase("bench gemm --m 2147483647 --n 2147483647 --k 2147483647")]
    [TestCase("bench attention --length 2147483647 --heads 1000000")]
    [TestCase("bench moe --tokens 2147483647 --hidden 2147483647")]
    [TestCase("plan --batch-size 1000000000 --model")]
    [TestCase("bench step --batch-size 1000000000 --model")]
    [TestCase("demo --max-steps 1 --threads 2000000000")]
    public void Sizes_that_nothing_holds_are_said(string call) => Refused(call.EndsWith("--model", StringComparison.Ordinal)
        ? $"{call} {Bundled.BaseLlama}" : call, "");

    [TestCase("size=64k", "the disk is full")]
    [TestCase("ro", "")]
    [Platform("Linux")]
    public void A_full_or_read_only_disk_is_said(string mount, string sentence)
    {
        Assume.That(Environment.UserName, Is.EqualTo("root"), "only root can mount");
        foreach (string call in (string[])[Writers[0], Writers[3], Writers[6]])
        {
            string output = Path.Combine(_directory.FullPath, "empty", "out");
            string tool = $"dotnet '{typeof(Tool).Assembly.Location}' {call} {output}";
            var start = new ProcessStartInfo("unshare", ["--mount", "sh", "-c",
                $"mount -t tmpfs -o {mount} tmpfs '{_directory.FullPath}/empty' && exec {tool}"])
            {
                RedirectStandardError = true, RedirectStandardOutput = true,
            };
            using var run = Process.Start(start)!;
            var printed = run.StandardOutput.ReadToEndAsync();
            string error = run.StandardError.ReadToEnd();
            run.WaitForExit();
            Assert.That(run.ExitCode, Is.EqualTo(2), call + error + printed.Result);
            Assert.That(error, Does.Contain(sentence).And.Not.Contain("should not happen"));
        }
    }

    private static void Refused(string call, string sentence)
    {
        var run = Run(call);
        Assert.That(run.ExitCode, Is.InRange(1, 2), call + run.Error);
        Assert.That(run.Error, Does.Not.Contain("should not happen").And.Contain(sentence), call);
        Assert.That(run.Error.TrimEnd().Split('\n')[^1], Does.StartWith("peftcore: "), call);
    }

    private static ToolRun Run(string call) => ToolRun.Of(call.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

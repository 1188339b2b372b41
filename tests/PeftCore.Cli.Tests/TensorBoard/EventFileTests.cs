using System.Text;
using System.Text.Json;
using PeftCore.Cli.TensorBoard;

namespace PeftCore.Cli.Tests.TensorBoard;

/// <summary>TensorBoard's event files, read back by a reader of the tests' own.</summary>
public sealed class EventFileTests
{
    private static readonly string[] Run =
    [
        "train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "1", "--max-seq-length", "32", "--max-steps", "4",
        "--eval-steps", "2", "--save-steps", "2", "--logging-steps", "1", "--report-to", "tensorboard", "--output-dir",
    ];

    /// <summary>The test vectors of RFC 3720, appendix B.4.</summary>
    private static readonly TestCaseData[] Vectors =
    [
        new(new byte[32], 0x8A9136AAu), new(Enumerable.Repeat((byte)0xFF, 32).ToArray(), 0x62A8AB43u),
        new(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray(), 0x46DD794Eu),
        new(Enumerable.Range(0, 32).Select(i => (byte)(31 - i)).ToArray(), 0x113FDB5Cu),
        new(Encoding.ASCII.GetBytes("123456789"), 0xE3069283u), new(Array.Empty<byte>(), 0u),
        new(Convert.FromHexString("01C00000000000000000000000000000140000000000040000000014000000182800000000000000"
            + "0200000000000000"), 0xD9963A56u),
    ];

    [TestCaseSource(nameof(Vectors))]
    public void Checksums_are_those_of_rfc_3720(byte[] bytes, uint crc) =>
        Assert.That((Crc32C.Of(bytes), EventReader.Crc(bytes)), Is.EqualTo((crc, crc)));

    [Test]
    public void A_checksum_is_masked_as_tensorflow_masks_it()
    {
        byte[] bytes = Encoding.ASCII.GetBytes("foo");

        Assert.That(Crc32C.MaskedOf(bytes), Is.EqualTo(EventReader.Masked(EventReader.Crc(bytes))).And.Not.EqualTo(Crc32C.Of(bytes)));
        // Unmasking gives the checksum again.
        uint rotated = Crc32C.MaskedOf(bytes) - 0xA282EAD8u;
        Assert.That((rotated >> 17) | (rotated << 15), Is.EqualTo(Crc32C.Of(bytes)));
    }

    [Test]
    public void A_run_writes_the_scalars_of_its_log_under_the_names_of_transformers()
    {
        using var directory = new TemporaryDirectory();
        var run = ToolRun.Of([.. Run, directory.FullPath]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);

        var events = EventReader.Read(FilesIn(directory.FullPath).Single());
        Assert.That((events[0].FileVersion, events[0].Step), Is.EqualTo(("brain.Event:2", 0L)));
        Assert.That(events.Skip(1).Select(at => at.Step), Is.EqualTo(new long[] { 1, 2, 2, 3, 4, 4 }));
        Assert.That(events[1].Scalars.Keys, Is.SupersetOf(new[] { "train/loss", "train/learning_rate", "train/grad_norm", "train/epoch" }));
        Assert.That(events[3].Scalars.Keys, Does.Contain("eval/loss"));
        Assert.That(events.Select(at => at.Time), Is.Ordered.And.All.GreaterThan(1.7e9));
        Assert.That(events.Select(at => at.IsStart), Is.All.False);
        foreach (var (row, at) in LogOf(directory.FullPath).Zip(events.Skip(1)))
        {
            string name = row.TryGetProperty("loss", out var loss) ? "train/loss" : "eval/loss";
            double expected = name == "train/loss" ? loss.GetDouble() : row.GetProperty("eval_loss").GetDouble();
            Assert.That(at.Scalars[name], Is.EqualTo((float)expected));
        }
    }

    [Test]
    public void A_classifiers_accuracy_is_in_the_progress_the_log_and_the_events()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("reviews.csv", "text,label\nSo good,positive\nSo bad,negative\nFine,positive\nDull,negative\n");
        string output = Path.Combine(directory.FullPath, "out");
        var run = ToolRun.Of("train", "--model", Bundled.BaseBert, "--task", "seq-cls", "--data", data, "--validation-split", "0.5",
            "--max-steps", "2", "--eval-steps", "1", "--logging-steps", "1", "--report-to", "tensorboard", "--output-dir", output);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Match(@"2/2  loss [0-9.]+  accuracy [0-9.]+ \(step 1\)"));
        Assert.That(File.ReadAllText(Path.Combine(output, "training_log.jsonl")), Does.Contain("\"eval_accuracy\":"));

        Assert.That(EventReader.Read(FilesIn(output).Single())[^1].Scalars.Keys, Is.SupersetOf(new[] { "eval/accuracy", "eval/loss" }));
        Assert.That(ToolRun.Of("train", "--model", Bundled.BaseBert, "--task", "seq-cls", "--data", data, "--max-steps", "1", "--output-dir",
            output + "2").Error, Does.Contain("there are no held-out data, so accuracy is not measured while the model trains"));
    }

    [Test]
    public void A_resumed_run_goes_on_in_a_file_that_replaces_later_steps()
    {
        using var directory = new TemporaryDirectory();
        Assert.That(ToolRun.Of([.. Run, directory.FullPath]).ExitCode, Is.Zero);
        string first = FilesIn(directory.FullPath).Single();
        // Two runs of one process may begin within a second.
        File.Move(first, first = Path.Combine(directory.FullPath, "events.out.tfevents.0000000001.x.1.peftcore"));

        var resumed = ToolRun.Of([.. Run, directory.FullPath, "--resume-from-checkpoint",
            Path.Combine(directory.FullPath, "checkpoint-2")]);

        Assert.That(resumed.ExitCode, Is.Zero, resumed.Error);
        var events = EventReader.Read(FilesIn(directory.FullPath).Single(path => path != first));
        Assert.That((events[1].IsStart, events[1].Step), Is.EqualTo((true, 3L)));
        Assert.That(events.Skip(2).Select(at => at.Step), Is.EqualTo(new long[] { 3, 4, 4 }));
    }

    [Test]
    public void Without_the_flag_there_is_no_file_and_a_new_run_replaces_the_old_one()
    {
        using var directory = new TemporaryDirectory();
        string[] plain = [.. Run, directory.FullPath, "--report-to", "none"], reported = ["--report-to", "tensorboard"];
        Assert.That(ToolRun.Of(plain).ExitCode, Is.Zero);
        Assert.That(FilesIn(directory.FullPath), Is.Empty);
        directory.Write("events.out.tfevents.0000000001.x.1.peftcore", "old");
        directory.Write("events.out.tfevents.0000000001.x.1.0", "of another program");
        while (PeftCore.Training.Checkpoint.Last(directory.FullPath) is { } checkpoint)
        {
            Directory.Delete(checkpoint, recursive: true);
        }

        Assert.That(ToolRun.Of([.. plain, .. reported]).ExitCode, Is.Zero);

        Assert.That(FilesIn(directory.FullPath).Select(path => Path.GetFileName(path)), Has.Exactly(1).EndsWith(".x.1.0")
            .And.Exactly(1).EndsWith(".peftcore").And.None.EqualTo("events.out.tfevents.0000000001.x.1.peftcore"));
        Assert.That(ToolRun.Of([.. plain, "--report-to", "wandb"]).Error,
            Does.Contain("--report-to is \"wandb\", expected none or tensorboard"));
    }

    private static string[] FilesIn(string directory) => Directory.GetFiles(directory, "*tfevents*");

    private static List<JsonElement> LogOf(string directory) =>
        [.. File.ReadLines(Path.Combine(directory, "training_log.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
}

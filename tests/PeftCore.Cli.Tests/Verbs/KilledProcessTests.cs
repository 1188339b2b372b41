using System.Diagnostics;
using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Tests.Io;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Kills the tool's process without any cleanup. PEFTCORE_KILLS sets the number of kills; docs/files.md describes the
/// run.</summary>
public sealed class KilledProcessTests
{
    private const int UsualKills = 24, Kinds = 4;

    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("PEFTCORE_KILLS"), out int kills) ? kills
        : UsualKills;

    private TemporaryDirectory _root;
    private int _seed;
    private Random _random;
    private string _adapter;
    private string _changedBase;

    private string Output => Path.Combine(_root.FullPath, "out");

    [OneTimeSetUp]
    public void MakeInputs()
    {
        _root = new TemporaryDirectory();
        _seed = Environment.TickCount;
        _random = new Random(_seed);
        _adapter = Path.Combine(_root.FullPath, "adapter");
        var trained = ToolRun.Of("train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--max-steps", "1", "--batch-size", "1",
            "--max-seq-length", "48", "--output-dir", _adapter);
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        // Another model in several files, so that a mixture of both differs from each.
        _changedBase = Path.Combine(_root.FullPath, "base");
        Directory.CreateDirectory(_changedBase);
        foreach (string file in Directory.GetFiles(Bundled.BaseLlama))
        {
            File.Copy(file, Path.Combine(_changedBase, Path.GetFileName(file)));
        }
        File.WriteAllText(Path.Combine(_changedBase, "generation_config.json"), "{\"eos_token_id\": 2}");
        File.WriteAllText(Path.Combine(_changedBase, "chat_template.jinja"), "{{ messages }}");
    }

    [OneTimeTearDown]
    public void RemoveInputs() => _root.Dispose();

    [Test]
    public void A_killed_merge_leaves_the_older_model_or_the_new_one() => KillAndCompare(
        ["merge", "--model", Bundled.BaseLlama, "--adapter", _adapter], ["merge", "--model", _changedBase, "--adapter", _adapter],
        output => ModelDirectory.Open(output));

    [Test]
    public void A_killed_convert_leaves_the_older_adapter_or_the_new_one() => KillAndCompare(
        ["convert", "--adapter", _adapter], ["convert", "--model", Bundled.BaseLlama, "--adapter", _adapter, "--rank", "2"],
        output => SavedAdapter.Load(output));

    [Test]
    public void A_killed_select_leaves_the_older_selection_or_the_new_one() => KillAndCompare(
        ["select", "--model", Bundled.BaseLlama, "--criterion", "magnitude", "--density", "0.01"],
        ["select", "--model", Bundled.BaseLlama, "--criterion", "magnitude", "--density", "0.02"],
        output => SparseMask.Load(Path.Combine(output, "mask.safetensors")));

    [Test]
    public void A_killed_training_leaves_whole_checkpoints_and_goes_on_to_the_same_end()
    {
        string[] call =
        [
            "train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--lora-r", "8", "--lora-dropout", "0.1", "--batch-size",
            "1", "--max-seq-length", "48",
            "--threads", "1", "--max-steps", "30", "--save-steps", "2", "--save-total-limit", "2", "--eval-steps", "1000",
            "--logging-steps", "1", "--output-dir",
        ];
        string whole = Path.Combine(_root.FullPath, "whole"), killed = Path.Combine(_root.FullPath, "killed");
        var clock = Stopwatch.StartNew();
        Finish([.. call, whole]);
        var usual = clock.Elapsed;
        var tally = new Tally();
        for (int i = 0; tally.Kills < Kills / Kinds; i++)
        {
            string[] resume = Resume();
            tally.Resumed += resume.Length > 0 ? 1 : 0;
            Kill([.. call, killed, .. resume], killed, usual, inWriting: i % 2 == 0, tally);
            foreach (string checkpoint in Directory.Exists(killed) ? Directory.GetDirectories(killed, "checkpoint-*") : [])
            {
                Assert.That(Directory.GetFiles(checkpoint).Select(path => Path.GetFileName(path)),
                    Is.EquivalentTo(["adapter_config.json", "adapter_model.safetensors", "trainer_state.json",
                        "training_state.safetensors"]));
                SavedAdapter.Load(checkpoint);
            }
            if (File.Exists(Path.Combine(killed, "training_loss.svg")))
            {
                FinishAndCompare();
                Directory.Delete(killed, recursive: true);
            }
        }
        FinishAndCompare();
        TestContext.Out.WriteLine(
            $"train, seed {_seed}: {tally}; {tally.Resumed} runs began from a checkpoint, {tally.New} ended with the bits of a run that " +
            "was not killed");

        string[] Resume() => Checkpoint.Last(killed) is null ? [] : ["--resume-from-checkpoint", killed];

        void FinishAndCompare()
        {
            Finish([.. call, killed, .. Resume()]);
            Assert.That(RunOutcome.Weights(killed), Is.EqualTo(RunOutcome.Weights(whole)));
            Assert.That(RunOutcome.Log(killed), Is.EqualTo(RunOutcome.Log(whole)));
            Assert.That(KillPoints.Hidden(killed), Is.Empty);
            tally.New++;
        }
    }

    /// <summary>Runs two calls in turn on the same output directory and kills them; sometimes the directory is empty before.</summary>
    private void KillAndCompare(string[] first, string[] second, Action<string> read)
    {
        var clock = Stopwatch.StartNew();
        string[] contents = [.. new[] { first, second }.Select(call =>
        {
            Clear();
            clock.Restart();
            Finish([.. call, "--output-dir", Output]);
            return KillPoints.Content(Output);
        })];
        Assert.That(contents[0], Is.Not.EqualTo(contents[1]));
        var usual = clock.Elapsed;
        var tally = new Tally();
        for (int i = 0; tally.Kills < Kills / Kinds; i++)
        {
            if (i % 4 == 3)
            {
                Clear();
            }
            string before = Directory.Exists(Output) ? KillPoints.Content(Output) : "";
            Kill([.. i % 2 == 0 ? first : second, "--output-dir", Output], Output, usual, inWriting: i % 3 != 2, tally);
            if (Directory.Exists(Output))
            {
                read(Output);
                string now = KillPoints.Content(Output);
                Assert.That(now, Is.EqualTo(before).Or.EqualTo(contents[i % 2]), "half is written");
                tally.New += now == before ? 0 : 1;
                tally.Before += now == before ? 1 : 0;
            }
            else
            {
                Assert.That(before, Is.Empty, "the older files are gone");
                tally.Before++;
            }
        }
        Finish([.. first, "--output-dir", Output]);
        Assert.That(KillPoints.Content(Output), Is.EqualTo(contents[0]));
        Assert.That(KillPoints.Hidden(_root.FullPath), Is.Empty, "the next run removes what the killed ones left");
        TestContext.Out.WriteLine(
            $"{first[0]}, seed {_seed}: {tally}; {tally.New} times the new files stood afterwards, {tally.Before} times what was there " +
            "before");
    }

    private void Clear()
    {
        if (Directory.Exists(Output))
        {
            Directory.Delete(Output, recursive: true);
        }
    }

    private static void Finish(string[] call)
    {
        using var run = ToolProcess.Start(call);
        run.WaitForExit();
        Assert.That(run.ExitCode, Is.Zero, string.Join(' ', call));
    }

    /// <summary>Starts the tool and kills it at a random time within its usual duration, or at a random time after its first
    /// write.</summary>
    private void Kill(string[] call, string output, TimeSpan usual, bool inWriting, Tally tally)
    {
        string parent = Path.GetDirectoryName(output)!;
        string[] before = Left();
        var clock = Stopwatch.StartNew();
        using var run = ToolProcess.Start(call);
        var end = usual * _random.NextDouble();
        int writes = inWriting ? _random.Next(1, 4) : 0;
        string[] last = before;
        while (!run.HasExited && (inWriting ? writes > 0 && clock.Elapsed < usual * 3 : clock.Elapsed < end))
        {
            if (inWriting && Left() is { Length: > 0 } now && !now.SequenceEqual(last))
            {
                (last, writes) = (now, writes - 1);
            }
            Thread.Yield();
        }
        bool alive = !run.HasExited;
        run.Kill();
        run.WaitForExit();
        tally.Add(alive, inside: Left().Except(before).Any());

        string[] Left() =>
            [.. new[] { parent, output }.Where(Directory.Exists)
                .SelectMany(place => Directory.GetFileSystemEntries(place, HiddenNames.Prefix + "*"))
            .Where(path => !path.EndsWith(HiddenNames.RunLock, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Counts of the phases in which the kills happened.</summary>
    private sealed class Tally
    {
        private int _ended, _inside;

        public int Kills { get; private set; }

        public int New { get; set; }

        public int Before { get; set; }

        public int Resumed { get; set; }

        public void Add(bool alive, bool inside)
        {
            Kills += alive ? 1 : 0;
            _ended += alive ? 0 : 1;
            _inside += alive && inside ? 1 : 0;
        }

        public override string ToString() => $"{Kills} killed, {_inside} of them inside writing ({_ended} more had ended before the kill)";
    }
}

using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Io;

public sealed class KilledWriterTests
{
    private static readonly SavedAdapter Older = SavedAdapter.Load(TestFiles.Fixture("hf", "llama", "lora"));
    private static readonly SavedAdapter Newer = SavedAdapter.Load(TestFiles.Fixture("hf", "llama", "ia3"));

    private TemporaryDirectory _root;

    [SetUp]
    public void MakeRoot() => _root = new TemporaryDirectory();

    [TearDown]
    public void RemoveRoot() => _root.Dispose();

    [Test]
    public void A_file_is_old_or_new_wherever_its_writer_is_killed()
    {
        var (points, moving) = KillPoints.Check(_root.FullPath, () => File.WriteAllText(_root["f.json"], "old"),
            () => AtomicFile.WriteAllText(_root["f.json"], "new"), () => { });
        Assert.That((points, moving), Is.EqualTo((4, 0)));
    }

    [Test]
    public void An_adapter_saved_over_another_is_one_or_the_other()
    {
        var (points, moving) = KillPoints.Check(_root.FullPath, () =>
        {
            Older.Save(_root["a"]);
            File.WriteAllText(_root["a", "adapter_state.safetensors"], "of the older adapter");
            UserFiles(_root["a"]);
        }, () => Newer.Save(_root["a"]), () => SavedAdapter.Load(_root["a"]));
        Assert.That(points, Is.GreaterThan(15));
        Assert.That(moving, Is.GreaterThan(0), "some kill must fall between the files");
        Assert.That(Directory.EnumerateFileSystemEntries(_root["a"]).Select(path => Path.GetFileName(path)),
            Is.EquivalentTo(["adapter_config.json", "adapter_model.safetensors", "README.md", "other.safetensors", "notes"]));
    }

    [Test]
    public void An_adapter_in_a_new_directory_is_there_whole_or_not_at_all()
    {
        var (points, moving) = KillPoints.Check(_root.FullPath, () => { }, () => Newer.Save(_root["new", "a"]), () => { });
        Assert.That(points, Is.GreaterThan(8));
        Assert.That(moving, Is.Zero);
    }

    [Test]
    public void Several_adapters_of_a_model_are_replaced_together()
    {
        using var backend = new CpuBackend(1);
        var model = new PeftModel(Runs.Model("llama", backend));
        model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        model.Load(TestFiles.Fixture("hf", "llama", "lora_rslora"), "second");
        KillPoints.Check(_root.FullPath, () =>
        {
            Older.Save(_root["a"]);
            Newer.Save(_root["a", "second"]);
        }, () => model.Save(_root["a"]), () => SavedAdapter.Load(_root["a", "second"]), every: 2);
    }

    [Test]
    public void A_merged_model_replaces_another_with_its_shards_and_tokenizer()
    {
        using var backend = new CpuBackend(1);
        string source = TestFiles.Fixture("hf", "llama", "base");
        var model = ModelLoader.Load(source, backend);
        var (points, moving) = KillPoints.Check(_root.FullPath, () =>
        {
            Directory.CreateDirectory(_root["m"]);
            foreach (string name in new[] { "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                "model.safetensors.index.json", "chat_template.jinja" })
            {
                File.WriteAllText(_root["m", name], "{}");
            }
            UserFiles(_root["m"]);
        }, () => ModelWriter.Save(model, _root["m"], source), () => ModelDirectory.Open(_root["m"]));
        Assert.That(points, Is.GreaterThan(25));
        Assert.That(moving, Is.GreaterThan(3));
        Assert.That(Directory.EnumerateFileSystemEntries(_root["m"]).Select(path => Path.GetFileName(path)),
            Is.EquivalentTo(["config.json", "generation_config.json", "model.safetensors", "README.md", "other.safetensors", "notes"]));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_checkpoint_is_whole_wherever_its_writer_is_killed(bool replaces)
    {
        using var backend = new CpuBackend(1);
        var trainable = Runs.Lora("llama", backend);
        using var optimizer = new AdamW(trainable.Parameters);
        string path = _root["run", "checkpoint-3"];
        KillPoints.Check(_root.FullPath, () =>
        {
            Directory.CreateDirectory(_root["run"]);
            if (replaces)
            {
                Checkpoint.Write(path, trainable, optimizer, new TrainerState { Step = 3, Elapsed = 1, GradientAccumulationSteps = 1 });
            }
        }, () => Checkpoint.Write(path, trainable, optimizer, new TrainerState { Step = 3, Elapsed = 2, GradientAccumulationSteps = 1 }),
        () =>
        {
            string[] names = Directory.GetFileSystemEntries(_root["run"], "checkpoint-*");
            Assert.That(names, Is.SubsetOf([path]));
            Assert.That(Checkpoint.Last(_root["run"]), Is.EqualTo(names.SingleOrDefault()));
            if (names.Length > 0)
            {
                Assert.That(Checkpoint.ReadState(path).Step, Is.EqualTo(3));
            }
        });
    }

    [Test]
    public void A_checkpoint_that_is_removed_is_whole_or_gone()
    {
        string[] files = ["checkpoint-1/a", "checkpoint-1/b"];
        KillPoints.Check(_root.FullPath, () => Array.ForEach(files, name => AtomicFile.WriteAllText(_root[name], "x")), () =>
        {
            if (Directory.Exists(_root["checkpoint-1"]))
            {
                Checkpoint.Delete(_root["checkpoint-1"]);
            }
            Leftovers.Clean(_root.FullPath);
        }, () => { });
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "Windows marks no directory read-only")]
    public void Where_nothing_may_be_written_a_reader_finds_the_new_files_where_they_are()
    {
        int read = 0;
        for (int point = 0; ; point++)
        {
            Older.Save(_root["a"]);
            string? place = KillPoints.Stop(point, () => Newer.Save(_root["a"]), _ => throw new KillPoints.Killed(), once: false);
            if (place is null)
            {
                break;
            }
            if (Directory.Exists(_root["a", HiddenNames.Committed]) && !OperatingSystem.IsWindows())
            {
                string[] before = Directory.GetFileSystemEntries(_root.FullPath, "*", SearchOption.AllDirectories);
                File.SetUnixFileMode(_root["a"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
                var seen = SavedAdapter.Load(_root["a"]);
                Assert.That(seen.Config.PeftType, Is.EqualTo("IA3"), place);
                Assert.That(seen.Names, Is.EquivalentTo(Newer.Names), place);
                Assert.That(Directory.GetFileSystemEntries(_root.FullPath, "*", SearchOption.AllDirectories), Is.EquivalentTo(before),
                    place);
                File.SetUnixFileMode(_root["a"], UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
                read++;
            }
        }
        Assert.That(read, Is.GreaterThan(2));
    }

    [Test]
    public void A_disk_that_fills_up_at_any_point_leaves_the_old_files_and_one_sentence()
    {
        Older.Save(_root["a"]);
        string old = KillPoints.Content(_root.FullPath);
        int refused = 0;
        for (int point = 0; KillPoints.Stop(point, Write, _ => throw new IOException("No space left on device"),
            once: true) is { } place; point++)
        {
            bool committed = Directory.Exists(_root["a", HiddenNames.Committed]);
            Assert.That(committed || KillPoints.Hidden(_root.FullPath).Length <= 1, $"{point}: {place}");
            SavedAdapter.Load(_root["a"]);
            string now = KillPoints.Content(_root.FullPath);
            if (now != old)
            {
                Assert.That(SavedAdapter.Load(_root["a"]).Config.PeftType, Is.EqualTo("IA3"), $"{point}: {place}");
                Older.Save(_root["a"]);
                Assert.That(KillPoints.Content(_root.FullPath), Is.EqualTo(old));
            }
        }
        Assert.That(refused, Is.GreaterThan(8));

        void Write()
        {
            try
            {
                Newer.Save(_root["a"]);
            }
            catch (BadInputException e)
            {
                Assert.That(e.Message,
                    Does.Contain("the disk is full, nothing was changed").Or.Contain("the next run that writes here finishes it"));
                refused++;
            }
        }
    }

    private static void UserFiles(string directory)
    {
        File.WriteAllText(Path.Combine(directory, "README.md"), "the user's");
        File.WriteAllText(Path.Combine(directory, "other.safetensors"), "the user's");
        Directory.CreateDirectory(Path.Combine(directory, "notes"));
        File.WriteAllText(Path.Combine(directory, "notes", "config.json"), "the user's");
    }
}

using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Tests.Io;

public sealed class LeftoversTests
{
    private TemporaryDirectory _root;

    [SetUp]
    public void MakeRoot() => _root = new TemporaryDirectory();

    [TearDown]
    public void RemoveRoot() => _root.Dispose();

    [Test]
    public void No_pattern_finds_what_a_killed_writer_left()
    {
        using var work = WorkDirectory.Create(_root.FullPath);
        AtomicFile.Write(_root["adapter_model.safetensors"], _ =>
        {
            string[] patterns = ["checkpoint-*", "*.safetensors", "adapter_*", "*adapter*", "model*", "*model*", "*.json", "*.jsonl*",
                "*.partial", "*.old", "*.tmp", "train*", "*.txt"];
            Assert.That(Directory.GetFileSystemEntries(_root.FullPath), Has.Length.EqualTo(3));
            Assert.That(patterns.SelectMany(pattern => Directory.GetFileSystemEntries(_root.FullPath, pattern)), Is.Empty);
        });
    }

    [Test]
    public void What_a_living_writer_works_on_is_left_alone_and_what_a_dead_one_left_is_removed()
    {
        string dead = _root[".peftcore-partial-0123456789abcdef"];
        Directory.CreateDirectory(Path.Combine(dead, "below"));
        File.WriteAllText(Path.Combine(dead, "below", "adapter_model.safetensors"), "half");
        File.SetAttributes(Path.Combine(dead, "below", "adapter_model.safetensors"), FileAttributes.ReadOnly);
        File.WriteAllText(_root[".peftcore-lock-0123456789abcdef"], "");
        File.WriteAllText(_root[".peftcore-partial-fedcba9876543210"], "half");
        File.WriteAllText(_root["f.partial"], "half, of an earlier version");
        using (var work = WorkDirectory.Create(_root.FullPath))
        {
            AtomicFile.WriteAllText(Path.Combine(work.FullPath, "built.json"), "{}");
            AtomicFile.Write(_root["f"], stream =>
            {
                AtomicFile.WriteAllText(_root["g"], "another writer");
                stream.WriteByte((byte)'f');
            });
            Assert.That(File.ReadAllText(Path.Combine(work.FullPath, "built.json")), Is.EqualTo("{}"));
            Assert.That(KillPoints.Hidden(_root.FullPath), Is.EquivalentTo([work.FullPath, HiddenNames.LockOf(work.FullPath)]));
        }
        Assert.That(Directory.GetFileSystemEntries(_root.FullPath).Select(path => Path.GetFileName(path)), Is.EquivalentTo(["f", "g"]));
    }

    [Test]
    public void Links_among_the_leftovers_are_removed_and_not_followed()
    {
        Directory.CreateDirectory(_root["mine"]);
        File.WriteAllText(_root["mine", "f"], "kept");
        Directory.CreateDirectory(_root["out", ".peftcore-partial-0123456789abcdef"]);
        Directory.CreateSymbolicLink(_root["out", ".peftcore-partial-0123456789abcdef", "link"], _root["mine"]);
        AtomicFile.WriteAllText(_root["out", "g"], "");
        Assert.That(Directory.GetFileSystemEntries(_root["out"]), Is.EqualTo([_root["out", "g"]]));
        Assert.That(File.ReadAllText(_root["mine", "f"]), Is.EqualTo("kept"));
    }

    [Test]
    public void A_directory_behind_a_link_is_written_to_whether_it_is_there_or_not()
    {
        Directory.CreateSymbolicLink(_root["link"], _root["real"]);
        var adapter = SavedAdapter.Load(TestFiles.Fixture("hf", "llama", "lora"));
        adapter.Save(_root["link"]);
        adapter.Save(_root["link"]);
        AtomicDirectory.Write(_root["link"], built => File.WriteAllText(Path.Combine(built, "only"), ""));
        Assert.That(Directory.GetFileSystemEntries(_root["real"]), Is.EqualTo([_root["real", "only"]]));
        Assert.That(new DirectoryInfo(_root["link"]).LinkTarget, Is.Not.Null);
        Assert.That(KillPoints.Hidden(_root.FullPath), Is.Empty);
    }

    [Test]
    public void Writers_and_readers_at_the_same_time_see_whole_adapters()
    {
        SavedAdapter[] versions =
            [.. new[] { "lora", "ia3", "lora_dora" }.Select(name => SavedAdapter.Load(TestFiles.Fixture("hf", "llama", name)))];
        string directory = _root["a"];
        versions[0].Save(directory);
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 6 }, worker =>
        {
            for (int i = 0; i < 8; i++)
            {
                if (worker < versions.Length)
                {
                    versions[worker].Save(directory);
                }
                else
                {
                    var seen = SavedAdapter.Load(directory);
                    var version = versions.Single(version => version.Config == seen.Config || version.Config.ToJson()
                        .ToJsonString() == seen.Config.ToJson().ToJsonString());
                    Assert.That(seen.Names, Is.EquivalentTo(version.Names));
                }
            }
        });
        Assert.That(KillPoints.Hidden(_root.FullPath), Is.Empty);
    }

    [Test]
    public void Checkpoints_that_an_earlier_version_left_half_renamed_are_put_back_or_removed()
    {
        foreach (string name in new[] { "checkpoint-1", "checkpoint-1.old", "checkpoint-2.old", "checkpoint-2.partial",
            "checkpoint-3.partial", "mine.old", "checkpoint-x.partial" })
        {
            AtomicFile.WriteAllText(_root[name, name], "");
        }
        Assert.That(Checkpoint.Last(_root.FullPath), Is.EqualTo(_root["checkpoint-2"]));
        Assert.That(File.Exists(_root["checkpoint-2", "checkpoint-2.old"]));
        new RunDirectory(_root.FullPath, new TrainerOptions { ResumeFrom = _root["checkpoint-2"] }, step: 2, fault: null).Dispose();
        Assert.That(Directory.GetDirectories(_root.FullPath).Select(path => Path.GetFileName(path)),
            Is.EquivalentTo(["checkpoint-1", "checkpoint-2", "mine.old", "checkpoint-x.partial"]));
    }

    [Test]
    public void A_second_run_in_a_directory_is_refused_while_the_first_one_trains()
    {
        RunDirectory Open() => new(_root["run"], new TrainerOptions(), step: 0, fault: null);
        using (Open())
        {
            Assert.That(() => Open().Dispose(),
                Throws.TypeOf<BadInputException>().With.Message.Contains("another process is training into this directory"));
        }
        Open().Dispose();
        Assert.That(Directory.GetFileSystemEntries(_root["run"]), Is.Empty);
    }
}

using PeftCore.Io;

namespace PeftCore.Tests.Io;

public sealed class AtomicWriteTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_file_is_written_into_new_directories_and_replaces_the_old_one()
    {
        AtomicFile.WriteAllText(_directory["a", "b", "c.json"], "old, and longer");
        AtomicFile.WriteAllText(_directory["a", "b", "c.json"], "new é");
        Assert.That(File.ReadAllBytes(_directory["a", "b", "c.json"]), Is.EqualTo("new é"u8.ToArray()));
        Assert.That(Directory.GetFiles(_directory["a", "b"]), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_writer_that_fails_leaves_the_old_file_and_nothing_else()
    {
        File.WriteAllText(_directory["f"], "old");
        Assert.That(() => AtomicFile.Write(_directory["f"],
            s => { s.WriteByte(1); throw new IOException("No space left on device : 'f'"); }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the disk is full, nothing was changed"));
        Assert.That(() => AtomicFile.Write(_directory["f"], _ => throw new InvalidOperationException("a fault")),
            Throws.InvalidOperationException);
        Assert.That(File.ReadAllText(_directory["f"]), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_directory.FullPath), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_leftover_of_a_killed_writer_is_replaced()
    {
        File.WriteAllText(_directory["f.partial"], "half of something longer");
        AtomicFile.WriteAllText(_directory["f"], "whole");
        Assert.That(File.ReadAllText(_directory["f"]), Is.EqualTo("whole"));
        Assert.That(File.Exists(_directory["f.partial"]), Is.False);
    }

    [Test]
    public void Places_that_cannot_be_written_to_give_a_sentence()
    {
        File.WriteAllText(_directory["f"], "old");
        Directory.CreateDirectory(_directory["d"]);
        File.SetAttributes(_directory["f"], FileAttributes.ReadOnly);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => AtomicFile.WriteAllText(_directory["f", "below-a-file"], ""), Throws.TypeOf<BadInputException>());
            Assert.That(() => AtomicFile.WriteAllText(_directory["d"], ""),
                Throws.TypeOf<BadInputException>().With.Message.Contains("this is a directory"));
            Assert.That(() => AtomicFile.WriteAllText(_directory["f"], ""),
                Throws.TypeOf<BadInputException>().With.Message.Contains("read-only"));
            Assert.That(() => AtomicDirectory.Write(_directory["f"], _ => { }),
                Throws.TypeOf<BadInputException>().With.Message.Contains("this is a file"));
            Assert.That(() => AtomicDirectory.Write(_directory["f", "x"], _ => { }), Throws.TypeOf<BadInputException>());
        }
        File.SetAttributes(_directory["f"], FileAttributes.Normal);
        Assert.That(File.ReadAllText(_directory["f"]), Is.EqualTo("old"));
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "Windows marks no directory read-only")]
    public void A_directory_marked_read_only_is_respected_even_by_those_who_may_write_anywhere()
    {
        Directory.CreateDirectory(_directory["d"]);
        File.WriteAllText(_directory["d", "f"], "old");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_directory["d"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => AtomicFile.WriteAllText(_directory["d", "f"], ""),
                Throws.TypeOf<BadInputException>().With.Message.Contains("is read-only"));
            Assert.That(() => AtomicFile.WriteAllText(_directory["d", "new", "f"], ""),
                Throws.TypeOf<BadInputException>().With.Message.Contains("is read-only"));
            Assert.That(() => AtomicDirectory.Write(_directory["d", "c"], _ => { }),
                Throws.TypeOf<BadInputException>().With.Message.Contains("is read-only"));
            Assert.That(Tree(), Is.EqualTo(["d", "d/f"]));
        }
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_directory["d"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Test]
    public void A_directory_replaces_the_old_one_as_a_whole()
    {
        AtomicDirectory.Write(_directory["run", "checkpoint"], d => File.WriteAllText(Path.Combine(d, "one"), "1"));
        AtomicDirectory.Write(_directory["run", "checkpoint"], d =>
        {
            Directory.CreateDirectory(Path.Combine(d, "sub"));
            File.WriteAllText(Path.Combine(d, "sub", "two"), "2");
        });
        Assert.That(Tree(), Is.EqualTo(["run", "run/checkpoint", "run/checkpoint/sub", "run/checkpoint/sub/two"]));
    }

    [Test]
    public void A_directory_that_cannot_be_finished_leaves_the_old_one()
    {
        AtomicDirectory.Write(_directory["c"], d => File.WriteAllText(Path.Combine(d, "one"), "1"));
        Assert.That(() => AtomicDirectory.Write(_directory["c"], d =>
        {
            File.WriteAllText(Path.Combine(d, "two"), "2");
            throw new IOException("No space left on device");
        }), Throws.TypeOf<BadInputException>().With.Message.Contains("disk is full"));
        Assert.That(Tree(), Is.EqualTo(["c", "c/one"]));
    }

    [Test]
    public void A_sentence_about_a_file_of_a_new_directory_names_where_it_was_to_be() =>
        Assert.That(() => AtomicDirectory.Write(_directory["c"],
            d => AtomicFile.Write(Path.Combine(d, "f"), _ => throw new IOException("No space left on device"))),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith(_directory["c", "f"] + ": the disk is full"));

    private string[] Tree() =>
        [.. Directory.GetFileSystemEntries(_directory.FullPath, "*", SearchOption.AllDirectories)
            .Select(p => Path.GetRelativePath(_directory.FullPath, p).Replace('\\', '/')).Order(StringComparer.Ordinal)];
}

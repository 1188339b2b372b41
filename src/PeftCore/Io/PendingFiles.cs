using System.Text;

namespace PeftCore.Io;

/// <summary>Replaces several files of a directory atomically. They are written to a hidden directory; renaming it to
/// <see cref="HiddenNames.Committed"/> is the commit. Then the files are moved into place one by one, by their writer or, if it was killed,
/// by the next process that writes or reads here. In a read-only directory readers use them in the hidden one.</summary>
internal static class PendingFiles
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Replaces older files by new ones.</summary>
    /// <param name="directory">The directory, which exists.</param>
    /// <param name="built">A hidden directory on the same disk with the new files, flushed.</param>
    /// <param name="owns">Whether an older file of this name is removed if there is no new one, or all files of a folder, whose name
    /// ends with a slash; null for all files.</param>
    public static void Commit(string directory, string built, Func<string, bool>? owns)
    {
        string committed = Path.Combine(directory, HiddenNames.Committed);
        using var held = HeldFile.TryHold(Path.Combine(directory, HiddenNames.CommitLock), Patience, () => true)
            ?? throw new IOException($"another process is writing into {directory}");
        if (Directory.Exists(committed))
        {
            Finish(directory, committed);
        }
        if (!Prepare(directory, built, owns))
        {
            return;
        }
        DiskChanges.SyncTree(built);
        DiskChanges.MoveDirectory(built, committed);
        try
        {
            DiskChanges.SyncDirectory(directory);
            Finish(directory, committed);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw new BadInputException(
                $"{directory}: the new files are written, but cannot be moved into place: {e.Message.TrimEnd('.', ' ')}; "
                + "the next run that writes here finishes it.", e);
        }
    }

    /// <summary>Completes the commit of a killed writer, if the directory is writable; waits for a running one.</summary>
    public static void Recover(string directory)
    {
        RecoverOne(directory);
        // An adapter of another name than "default" is written together with its parent directory.
        if (Path.GetDirectoryName(directory) is { } parent)
        {
            RecoverOne(parent);
        }
    }

    /// <summary>The content of the file to read for a path; null without a file.</summary>
    /// <exception cref="BadInputException">The file cannot be read.</exception>
    public static byte[]? Content(string path) => Find(path) is { } file ? JsonFile.ReadBytes(file) : null;

    /// <summary>The file to read for a path: the committed one until it is moved into place; null without a file.</summary>
    public static string? Find(string path)
    {
        string full = Path.GetFullPath(path);
        string? directory = Path.GetDirectoryName(full);
        for (int up = 0; up < 2 && directory is not null; up++, directory = Path.GetDirectoryName(directory))
        {
            string committed = Path.Combine(directory, HiddenNames.Committed);
            if (!Directory.Exists(committed))
            {
                continue;
            }
            string name = Path.GetRelativePath(directory, full);
            string waiting = Path.Combine(committed, name);
            if (File.Exists(waiting))
            {
                return waiting;
            }
            if (Removals(committed).Contains(name.Replace('\\', '/')))
            {
                return null;
            }
        }
        return File.Exists(path) ? path : null;
    }

    /// <summary>The directory of a file that <see cref="Find"/> has found.</summary>
    public static string Home(string path)
    {
        string directory = Path.GetDirectoryName(path)!;
        return Path.GetFileName(directory) == HiddenNames.Committed ? Path.GetDirectoryName(directory)! : directory;
    }

    private static void RecoverOne(string directory)
    {
        string committed = Path.Combine(directory, HiddenNames.Committed);
        if (!Directory.Exists(committed))
        {
            return;
        }
        try
        {
            // Writers move files one at a time; a read-only directory needs no wait.
            ReadOnlyCheck.Check(directory, committed);
            using var held = HeldFile.TryHold(Path.Combine(directory, HiddenNames.CommitLock), Patience,
                () => Directory.Exists(committed) && MayWrite(directory));
            if (held is not null && Directory.Exists(committed))
            {
                Finish(directory, committed);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e) || e is BadInputException)
        {
            // Readers find the files in the hidden directory.
        }
    }

    private static bool MayWrite(string directory)
    {
        string probe = HiddenNames.NewPartial(directory);
        try
        {
            DiskChanges.Create(probe).Dispose();
            DiskChanges.DeleteFile(probe);
            return true;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            return false;
        }
    }

    /// <summary>Keeps in the new directory the files that differ, and writes the list of those to remove. False if nothing
    /// changes.</summary>
    private static bool Prepare(string directory, string built, Func<string, bool>? owns)
    {
        var files = Files(built);
        foreach (string name in files)
        {
            string old = Path.Combine(directory, name);
            if (Directory.Exists(old))
            {
                throw new BadInputException($"{old}: a file is to be written here, but this is a directory; choose another name.");
            }
            ReadOnlyCheck.Check(old, old);
            if (SameBytes(old, Path.Combine(built, name)))
            {
                DiskChanges.DeleteFile(Path.Combine(built, name));
            }
        }
        var older = owns is null ? Files(directory) : Owned(directory, owns);
        string[] gone = [.. older.Except(files, StringComparer.Ordinal)];
        if (gone.Length > 0)
        {
            using var list = DiskChanges.Create(Path.Combine(built, HiddenNames.Removals));
            list.Write(Encoding.UTF8.GetBytes(string.Join('\n', gone)));
        }
        return gone.Length > 0 || Files(built).Count > 0;
    }

    /// <summary>The files of a directory that the writer owns, and all in its folders that it owns.</summary>
    private static IEnumerable<string> Owned(string directory, Func<string, bool> owns) =>
        Directory.GetFiles(directory).Select(path => Path.GetFileName(path)).Where(owns)
            .Concat(Directory.GetDirectories(directory).Select(path => Path.GetFileName(path) + "/").Where(owns)
                .SelectMany(folder => Files(Path.Combine(directory, folder), folder)));

    private static void Finish(string directory, string committed)
    {
        // The configuration is moved last, so that a partial new directory is not read as complete.
        var files = Files(committed);
        foreach (string name in files.OrderBy(name => name.EndsWith("config.json", StringComparison.Ordinal))
            .ThenBy(name => name, StringComparer.Ordinal))
        {
            string target = Path.Combine(directory, name);
            DiskChanges.CreateDirectory(Path.GetDirectoryName(target)!);
            DiskChanges.MoveFile(Path.Combine(committed, name), target);
            if (name.Contains('/'))
            {
                DiskChanges.SyncDirectory(Path.GetDirectoryName(target)!);
            }
        }
        foreach (string name in Removals(committed))
        {
            Remove(directory, name);
        }
        DiskChanges.SyncDirectory(directory);
        string done = HiddenNames.NewPartial(directory);
        DiskChanges.MoveDirectory(committed, done);
        DiskChanges.DeleteTree(done);
    }

    /// <summary>Removes a file, and its directories if empty.</summary>
    private static void Remove(string directory, string name)
    {
        string path = Path.Combine(directory, name);
        if (!File.Exists(path))
        {
            return;
        }
        DiskChanges.DeleteFile(path);
        string parent = Path.GetDirectoryName(path)!;
        while (parent.Length > directory.Length && !Directory.EnumerateFileSystemEntries(parent).Any())
        {
            DiskChanges.DeleteTree(parent);
            parent = Path.GetDirectoryName(parent)!;
        }
    }

    private static string[] Removals(string committed)
    {
        string list = Path.Combine(committed, HiddenNames.Removals);
        return File.Exists(list) ? File.ReadAllLines(list) : [];
    }

    /// <summary>Relative paths, with slashes, of all files but this library's hidden ones. Links to directories are not followed.</summary>
    private static List<string> Files(string directory, string prefix = "")
    {
        var names = new List<string>();
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if (entry.Name.StartsWith(HiddenNames.Prefix, StringComparison.Ordinal))
            {
                continue;
            }
            if (entry is FileInfo)
            {
                names.Add(prefix + entry.Name);
            }
            else if (entry.LinkTarget is null)
            {
                names.AddRange(Files(entry.FullName, $"{prefix}{entry.Name}/"));
            }
        }
        return names;
    }

    private static bool SameBytes(string path, string other)
    {
        if (!File.Exists(path) || new FileInfo(path) is not { LinkTarget: null } info || info.Length != new FileInfo(other).Length)
        {
            return false;
        }
        using var first = File.OpenRead(path);
        using var second = File.OpenRead(other);
        byte[] a = new byte[1 << 16], b = new byte[1 << 16];
        int read;
        while ((read = first.ReadAtLeast(a, a.Length, throwOnEndOfStream: false)) > 0)
        {
            if (second.ReadAtLeast(b, b.Length, throwOnEndOfStream: false) != read || !a.AsSpan(0, read).SequenceEqual(b.AsSpan(0, read)))
            {
                return false;
            }
        }
        return true;
    }
}

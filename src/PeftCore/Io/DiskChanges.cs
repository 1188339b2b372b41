namespace PeftCore.Io;

/// <summary>The file system changes of atomic writes, in one place, so that a test can kill a writer before any of them.</summary>
internal static class DiskChanges
{
    private static readonly AsyncLocal<Action<string>?> Observer = new();

    /// <summary>Called with a description before each change of this asynchronous flow; null outside tests.</summary>
    public static Action<string>? Before
    {
        get => Observer.Value;
        set => Observer.Value = value;
    }

    /// <summary>Creates a file. Other processes may read and rename it, but not remove it until it is closed.</summary>
    public static FileStream Create(string path)
    {
        Before?.Invoke($"create {path}");
        const FileShare Share = FileShare.Read | FileShare.Delete;
        return new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, Share, bufferSize: 1 << 16);
    }

    /// <summary>Flushes a file's content to the disk.</summary>
    public static void Flush(FileStream file)
    {
        Before?.Invoke($"flush {file.Name}");
        file.Flush(flushToDisk: true);
    }

    /// <summary>Renames a file over another or none.</summary>
    public static void MoveFile(string from, string to)
    {
        Before?.Invoke($"rename {from} to {to}");
        File.Move(from, to, overwrite: true);
    }

    /// <summary>Renames a directory; the new name must be free.</summary>
    public static void MoveDirectory(string from, string to)
    {
        Before?.Invoke($"rename {from} to {to}");
        Directory.Move(from, to);
    }

    /// <summary>Creates a directory and its missing parents, and flushes their names to the disk.</summary>
    public static void CreateDirectory(string path)
    {
        if (Directory.Exists(path))
        {
            return;
        }
        string? parent = Path.GetDirectoryName(path);
        if (parent is not null)
        {
            CreateDirectory(parent);
        }
        Before?.Invoke($"make {path}");
        Directory.CreateDirectory(path);
        if (parent is not null)
        {
            SyncDirectory(parent);
        }
    }

    /// <summary>Removes a file, if it exists.</summary>
    public static void DeleteFile(string path)
    {
        Before?.Invoke($"delete {path}");
        if (OperatingSystem.IsWindows() && File.Exists(path))
        {
            File.SetAttributes(path, FileAttributes.Normal); // Windows does not delete read-only files.
        }
        File.Delete(path);
    }

    /// <summary>Removes a directory and its contents. Files that another process removes meanwhile are no error; links are removed, not
    /// followed.</summary>
    public static void DeleteTree(string path)
    {
        if (!Directory.Exists(path))
        {
            return;
        }
        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            var mode = File.GetUnixFileMode(path);
            if ((mode & Own) != Own)
            {
                File.SetUnixFileMode(path, mode | Own); // Unix does not delete files of a read-only directory.
            }
        }
        try
        {
            foreach (var entry in new DirectoryInfo(path).EnumerateFileSystemInfos())
            {
                if (entry is DirectoryInfo { LinkTarget: null })
                {
                    DeleteTree(entry.FullName);
                }
                else if (entry is DirectoryInfo link)
                {
                    link.Delete();
                }
                else
                {
                    DeleteFile(entry.FullName);
                }
            }
            Before?.Invoke($"delete {path}");
            Directory.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Another process is cleaning the same directory.
        }
    }

    /// <summary>Flushes every file below a directory, then the directories themselves.</summary>
    public static void SyncTree(string path)
    {
        foreach (string file in Directory.EnumerateFiles(path))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            Flush(stream);
        }
        foreach (string child in Directory.EnumerateDirectories(path))
        {
            SyncTree(child);
        }
        SyncDirectory(path);
    }

    /// <summary>Flushes a directory's entries to the disk, where the system supports it.</summary>
    public static void SyncDirectory(string path)
    {
        Before?.Invoke($"flush {path}");
        DiskSync.Directory(path);
    }
}

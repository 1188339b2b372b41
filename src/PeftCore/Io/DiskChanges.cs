namespace PeftCore.Io;

/// <summary>Every change of the file system that an atomic write makes, so that a test can stop the writer before any of them.</summary>
internal static class DiskChanges
{
    private static readonly AsyncLocal<Action<string>?> Observer = new();

    /// <summary>Called with a description before each change made by this flow of control; null outside tests.</summary>
    public static Action<string>? Before
    {
        get => Observer.Value;
        set => Observer.Value = value;
    }

    /// <summary>Creates a file. Others may read and rename it, but a writer that cleans finds it in use until it is closed.</summary>
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

    /// <summary>Makes a directory and its missing parents, and flushes their names to the disk.</summary>
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

    /// <summary>Removes a file, if it is there.</summary>
    public static void DeleteFile(string path)
    {
        Before?.Invoke($"delete {path}");
        if (OperatingSystem.IsWindows() && File.Exists(path))
        {
            File.SetAttributes(path, FileAttributes.Normal); // Windows deletes nothing that is marked read-only.
        }
        File.Delete(path);
    }

    /// <summary>Removes a directory with all it holds; what another process removes meanwhile is no error. Links are removed, not
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
                File.SetUnixFileMode(path, mode | Own); // Unix deletes nothing out of a directory that is read-only.
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
            // Another process cleans the same place.
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

    /// <summary>Flushes a directory's list of names to the disk, as well as the system can.</summary>
    public static void SyncDirectory(string path)
    {
        Before?.Invoke($"flush {path}");
        DiskSync.Directory(path);
    }
}

namespace PeftCore.Io;

/// <summary>Removes temporary files of killed writers from a directory. Those of running writers are locked and kept; what cannot be
/// removed is kept too.</summary>
internal static class Leftovers
{
    /// <summary>Cleans one directory, not those below it.</summary>
    public static void Clean(string directory)
    {
        try
        {
            if (!Directory.Exists(directory))
            {
                return;
            }
            string[] found = Directory.GetFileSystemEntries(directory, HiddenNames.Prefix + "*");
            foreach (string path in found.Where(path => HiddenNames.IsPartial(path) || HiddenNames.IsLock(path)))
            {
                Remove(path);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // A process that may write here cleans it.
        }
    }

    /// <summary>Removes a temporary file of an earlier version, which had the final name with an ending.</summary>
    public static void CleanFormer(string path)
    {
        try
        {
            if (File.Exists(path + ".partial"))
            {
                RemoveFile(path + ".partial");
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // A process that may write here cleans it.
        }
    }

    private static void Remove(string path)
    {
        try
        {
            if (HiddenNames.IsPartial(path) && File.Exists(path))
            {
                RemoveFile(path);
                return;
            }
            bool isLock = HiddenNames.IsLock(path);
            using var held = HeldFile.TryHold(isLock ? path : HiddenNames.LockOf(path));
            if (held is not null)
            {
                DiskChanges.DeleteTree(isLock ? HiddenNames.PartialOf(path) : path);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Another user's file, or a disk error.
        }
    }

    // A file that is being written is its own lock.
    private static void RemoveFile(string path)
    {
        using var file = Open(path);
        if (OperatingSystem.IsWindows())
        {
            file.Dispose(); // Windows does not remove open files.
        }
        DiskChanges.DeleteFile(path);
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (UnauthorizedAccessException)
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None, bufferSize: 0); // It is marked read-only.
        }
    }
}

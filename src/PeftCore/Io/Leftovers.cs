namespace PeftCore.Io;

/// <summary>Removes what killed writers left in a directory. What a living writer, of this process or another, works on is locked and
/// stays; what cannot be removed stays too, for it harms nobody.</summary>
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
            // Whoever may write here cleans it.
        }
    }

    /// <summary>Removes a file of a killed writer of an earlier version: it wrote beside, under the name with this ending.</summary>
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
            // Whoever may write here cleans it.
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
            // Another user's, or on a disk that fails.
        }
    }

    // A file being written is its own lock.
    private static void RemoveFile(string path)
    {
        using var file = Open(path);
        if (OperatingSystem.IsWindows())
        {
            file.Dispose(); // Windows removes no file that is open.
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

namespace PeftCore.Io;

/// <summary>Writes a whole directory, such as a checkpoint, so that it is there complete or not at all. It is built beside under
/// ".partial", flushed to the disk and renamed; an older directory of that name is kept as ".old" until the new one stands.</summary>
public static class AtomicDirectory
{
    private const string OldSuffix = ".old";

    /// <summary>Builds a directory with the callback, which gets the path to write into, and puts it in place. What stood at
    /// <paramref name="path"/> before is replaced as a whole.</summary>
    /// <exception cref="BadInputException">The place cannot be written to; the old directory is intact.</exception>
    public static void Write(string path, Action<string> build)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(build);
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string partial = full + AtomicFile.PartialSuffix;
        try
        {
            if (File.Exists(full))
                throw new BadInputException($"{path}: a directory is to be written here, but this is a file; choose another name.");
            OutputPlace.Check(path, full);
            Recover(full);
            Clear(partial);
            Directory.CreateDirectory(partial);
            build(partial);
            DiskSync.Tree(partial);
            Replace(full, partial);
        }
        catch (Exception e)
        {
            TryClear(partial);
            if (FileProblem.IsFileError(e))
                throw FileProblem.Writing(path, e);
            throw;
        }
    }

    /// <summary>Puts an older directory back if its writer was killed between moving it aside and putting the new one in place, and
    /// removes it if the new one stands. To be called before a directory written by <see cref="Write"/> is read.</summary>
    public static void Recover(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string old = full + OldSuffix;
        try
        {
            if (!Directory.Exists(old))
                return;
            if (Directory.Exists(full))
                Clear(old);
            else
                Directory.Move(old, full);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(path, e);
        }
    }

    private static void Replace(string full, string partial)
    {
        string parent = Path.GetDirectoryName(full)!;
        bool replaces = Directory.Exists(full);
        if (replaces)
            Directory.Move(full, full + OldSuffix);
        try
        {
            Directory.Move(partial, full);
        }
        catch (Exception e) when (replaces && FileProblem.IsFileError(e))
        {
            Directory.Move(full + OldSuffix, full);
            throw;
        }
        DiskSync.Directory(parent);
        if (replaces)
            TryClear(full + OldSuffix);
    }

    private static void Clear(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }

    private static void TryClear(string path)
    {
        try
        {
            Clear(path);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            // The next writer clears it; the error that led here, or the success, is what counts.
        }
    }
}

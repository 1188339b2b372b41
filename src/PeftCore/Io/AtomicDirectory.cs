namespace PeftCore.Io;

/// <summary>Writes a whole directory, such as a checkpoint, or several files of one, such as an adapter's, atomically: a reader sees all of
/// the old files or all of the new ones. They are written to a hidden directory, flushed to the disk and renamed;
/// <see cref="PendingFiles"/> replaces older files.</summary>
public static class AtomicDirectory
{
    /// <summary>Builds a directory with the callback, which gets the path to write into, and renames it to <paramref name="path"/>. An
    /// older directory there is replaced as a whole.</summary>
    /// <exception cref="BadInputException">The path is not writable; the old directory is intact.</exception>
    internal static void Write(string path, Action<string> build) => Put(path, build, owns: null);

    /// <summary>Completes the renaming of a killed writer. Readers call it before they read files written by this class; a read-only
    /// directory is left unchanged.</summary>
    public static void Recover(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        PendingFiles.Recover(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path.Length == 0 ? "." : path)));
    }

    /// <summary>Writes several files of a directory as one; other files there are kept.</summary>
    /// <param name="path">The directory; created if it is missing.</param>
    /// <param name="build">Gets the path to write into.</param>
    /// <param name="owns">Whether an older file of this name is removed if the callback does not write it, or all files of a folder,
    /// whose name ends with a slash; null for none.</param>
    /// <exception cref="BadInputException">The path is not writable; the old files are intact.</exception>
    public static void Update(string path, Action<string> build, Func<string, bool>? owns = null) =>
        Put(path, build, owns ?? (_ => false));

    /// <summary>The path to read a file from: its own, or in a read-only directory that of the new file of a killed writer; null if there
    /// is no such file.</summary>
    public static string? Find(string path) => PendingFiles.Find(path);

    private static void Put(string path, Action<string> build, Func<string, bool>? owns)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(build);
        try
        {
            string full = FullPath(path);
            if (HiddenNames.IsInPartial(full))
            {
                DiskChanges.CreateDirectory(full); // Part of a larger directory, which is renamed as a whole.
                build(full);
                return;
            }
            if (File.Exists(full))
            {
                throw new BadInputException($"{path}: a directory is to be written here, but this is a file; choose another name.");
            }
            bool exists = Directory.Exists(full);
            string place = exists ? full : Path.GetDirectoryName(full)!;
            ReadOnlyCheck.Check(path, exists ? Path.Combine(full, HiddenNames.Committed) : full);
            PendingFiles.Recover(full);
            DiskChanges.CreateDirectory(place);
            if (exists && Path.GetDirectoryName(full) is { } parent)
            {
                Leftovers.Clean(parent); // Left by a writer that was killed when the directory was new.
            }
            using var work = WorkDirectory.Create(place);
            Build(path, work.FullPath, build);
            if (exists)
            {
                PendingFiles.Commit(full, work.FullPath, owns);
            }
            else
            {
                PutNew(full, work.FullPath, owns);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    /// <summary>Calls the callback; errors name the final path instead of the hidden one.</summary>
    private static void Build(string path, string hidden, Action<string> build)
    {
        try
        {
            build(hidden);
        }
        catch (BadInputException e) when (e.Message.Contains(hidden, StringComparison.Ordinal))
        {
            throw new BadInputException(e.Message.Replace(hidden, path, StringComparison.Ordinal), e);
        }
    }

    private static void PutNew(string full, string built, Func<string, bool>? owns)
    {
        DiskChanges.SyncTree(built);
        try
        {
            DiskChanges.MoveDirectory(built, full);
        }
        catch (IOException) when (Directory.Exists(full) && Directory.Exists(built))
        {
            PendingFiles.Commit(full, built, owns); // Another process was faster.
            return;
        }
        DiskChanges.SyncDirectory(Path.GetDirectoryName(full)!);
    }

    /// <summary>The full path; a link to a missing directory is resolved.</summary>
    private static string FullPath(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(full) || new FileInfo(full).LinkTarget is null)
        {
            return full;
        }
        string target = File.ResolveLinkTarget(full, returnFinalTarget: true)!.FullName;
        return File.Exists(target) ? full : target;
    }
}

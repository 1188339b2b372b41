namespace PeftCore.Io;

/// <summary>Asks whether a place was marked read-only. The system itself does not refuse everyone: an administrator may write anywhere,
/// and to rename over a file needs no right to it. But what is marked so was marked on purpose.</summary>
internal static class ReadOnlyCheck
{
    private const UnixFileMode AnyWrite = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Refuses a full path that is a read-only file or lies in a read-only directory; <paramref name="path"/> is what the user
    /// called it.</summary>
    public static void Check(string path, string full)
    {
        if (File.Exists(full) && (File.GetAttributes(full) & FileAttributes.ReadOnly) != 0)
        {
            throw new BadInputException(
                $"{path}: the file is read-only, nothing was changed; make it writable or choose another output directory.");
        }
        // On Windows the mark means something else on a directory.
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        string? parent = Path.GetDirectoryName(full);
        while (parent is not null && !Directory.Exists(parent))
        {
            parent = Path.GetDirectoryName(parent);
        }

        if (parent is not null && (File.GetUnixFileMode(parent) & AnyWrite) == 0)
        {
            throw new BadInputException(
                $"{path}: the directory {parent} is read-only, nothing was changed; make it writable or choose another output directory.");
        }
    }
}

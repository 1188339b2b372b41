namespace PeftCore.Io;

/// <summary>Throws for paths that are marked read-only. The operating system does not always refuse them: an administrator may write
/// anywhere, and renaming over a file needs no permission on it. A read-only mark is treated as deliberate.</summary>
internal static class ReadOnlyCheck
{
    private const UnixFileMode AnyWrite = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Throws if a full path is a read-only file or inside a read-only directory; errors name <paramref name="path"/>, as the
    /// user gave it.</summary>
    public static void Check(string path, string full)
    {
        if (File.Exists(full) && (File.GetAttributes(full) & FileAttributes.ReadOnly) != 0)
        {
            throw new BadInputException(
                $"{path}: the file is read-only, nothing was changed; make it writable or choose another output directory.");
        }
        // On Windows the attribute has another meaning on directories.
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

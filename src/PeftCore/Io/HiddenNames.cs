namespace PeftCore.Io;

/// <summary>Names of what a writer keeps on the disk only while it writes. They begin with a dot and say nothing of the name that is
/// written, so that a pattern such as checkpoint-*, *.safetensors or adapter_* finds none of them.</summary>
internal static class HiddenNames
{
    /// <summary>A directory of files that are complete and flushed, and are being moved into the directory that holds it.</summary>
    public const string Committed = Prefix + "committed";

    /// <summary>In <see cref="Committed"/>: the files to remove, one relative path a line.</summary>
    public const string Removals = Prefix + "removals";

    /// <summary>Held by whoever moves files out of <see cref="Committed"/>.</summary>
    public const string CommitLock = Lock + "commit";

    /// <summary>Held by the training run of a directory.</summary>
    public const string RunLock = Lock + "run";

    /// <summary>Begins every name of this class.</summary>
    public const string Prefix = ".peftcore-";

    private const string Partial = Prefix + "partial-";
    private const string Lock = Prefix + "lock-";

    /// <summary>A new path in a directory for something incomplete.</summary>
    public static string NewPartial(string directory) => Path.Combine(directory, Partial + Guid.NewGuid().ToString("N")[..16]);

    /// <summary>The lock file that the writer of an incomplete directory holds.</summary>
    public static string LockOf(string partial) =>
        Path.Combine(Path.GetDirectoryName(partial)!, Lock + Path.GetFileName(partial)[Partial.Length..]);

    /// <summary>The incomplete directory a lock file belongs to, whether it is there or not.</summary>
    public static string PartialOf(string lockFile) =>
        Path.Combine(Path.GetDirectoryName(lockFile)!, Partial + Path.GetFileName(lockFile)[Lock.Length..]);

    /// <summary>Whether a path is something incomplete.</summary>
    public static bool IsPartial(string path) => Path.GetFileName(path).StartsWith(Partial, StringComparison.Ordinal);

    /// <summary>Whether a path is a lock file.</summary>
    public static bool IsLock(string path) => Path.GetFileName(path).StartsWith(Lock, StringComparison.Ordinal);

    /// <summary>Whether a full path is that of an incomplete directory or lies in one.</summary>
    public static bool IsInPartial(string fullPath) =>
        fullPath.Contains(Path.DirectorySeparatorChar + Partial, StringComparison.Ordinal);
}

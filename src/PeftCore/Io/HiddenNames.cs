namespace PeftCore.Io;

/// <summary>Names of a writer's temporary files. They begin with a dot and do not contain the final name, so that a pattern such as
/// checkpoint-*, *.safetensors or adapter_* matches none of them.</summary>
internal static class HiddenNames
{
    /// <summary>A directory of complete, flushed files that are being moved to its parent.</summary>
    public const string Committed = Prefix + "committed";

    /// <summary>In <see cref="Committed"/>: the files to remove, one relative path a line.</summary>
    public const string Removals = Prefix + "removals";

    /// <summary>The lock for moving files out of <see cref="Committed"/>.</summary>
    public const string CommitLock = Lock + "commit";

    /// <summary>The lock of a training run on its output directory.</summary>
    public const string RunLock = Lock + "run";

    /// <summary>The prefix of all names of this class.</summary>
    public const string Prefix = ".peftcore-";

    private const string Partial = Prefix + "partial-";
    private const string Lock = Prefix + "lock-";

    /// <summary>A new path for an incomplete file or directory.</summary>
    public static string NewPartial(string directory) => Path.Combine(directory, Partial + Guid.NewGuid().ToString("N")[..16]);

    /// <summary>The lock file of an incomplete directory.</summary>
    public static string LockOf(string partial) =>
        Path.Combine(Path.GetDirectoryName(partial)!, Lock + Path.GetFileName(partial)[Partial.Length..]);

    /// <summary>The incomplete directory of a lock file, which may not exist.</summary>
    public static string PartialOf(string lockFile) =>
        Path.Combine(Path.GetDirectoryName(lockFile)!, Partial + Path.GetFileName(lockFile)[Lock.Length..]);

    /// <summary>Whether a path is an incomplete file or directory.</summary>
    public static bool IsPartial(string path) => Path.GetFileName(path).StartsWith(Partial, StringComparison.Ordinal);

    /// <summary>Whether a path is a lock file.</summary>
    public static bool IsLock(string path) => Path.GetFileName(path).StartsWith(Lock, StringComparison.Ordinal);

    /// <summary>Whether a full path is an incomplete directory or inside one.</summary>
    public static bool IsInPartial(string fullPath) =>
        fullPath.Contains(Path.DirectorySeparatorChar + Partial, StringComparison.Ordinal);
}

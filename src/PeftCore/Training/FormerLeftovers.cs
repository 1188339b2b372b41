using PeftCore.Io;

namespace PeftCore.Training;

/// <summary>Files of killed runs of an earlier version, which built checkpoints under "checkpoint-N.partial" and kept a replaced one as
/// "checkpoint-N.old".</summary>
internal static class FormerLeftovers
{
    private const string Partial = ".partial";
    private const string Old = ".old";

    /// <summary>Restores a replaced checkpoint if its writer was killed before the new one was in place.</summary>
    /// <returns>Checkpoints that are read at their old path, because the directory is read-only.</returns>
    public static List<(int Step, string Path)> Recover(string directory)
    {
        var left = new List<(int Step, string Path)>();
        foreach (var (path, checkpoint) in Find(directory, Old).Where(found => !Directory.Exists(found.Checkpoint)))
        {
            try
            {
                DiskChanges.MoveDirectory(path, checkpoint);
            }
            catch (Exception e) when (FileErrors.IsFileError(e))
            {
                left.Add((Checkpoint.StepOf(checkpoint), path));
            }
        }
        return left;
    }

    /// <summary>Removes incomplete and replaced checkpoints.</summary>
    public static void Clean(string directory)
    {
        foreach (var (path, checkpoint) in Find(directory, Partial).Concat(Find(directory, Old)))
        {
            if (path.EndsWith(Partial, StringComparison.Ordinal) || Directory.Exists(checkpoint))
            {
                DiskChanges.DeleteTree(path);
            }
        }
    }

    private static List<(string Path, string Checkpoint)> Find(string directory, string ending) =>
    [
        .. Directory.GetDirectories(directory, "*" + ending).Select(path => (Path: path, Checkpoint: path[..^ending.Length]))
            .Where(found => Checkpoint.StepOf(found.Checkpoint) >= 0),
    ];
}

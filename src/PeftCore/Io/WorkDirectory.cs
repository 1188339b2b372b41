namespace PeftCore.Io;

/// <summary>A hidden directory in which something is built. While its lock is held no other process takes it for a leftover; unless it was
/// moved into place it is removed on dispose.</summary>
internal sealed class WorkDirectory : IDisposable
{
    private const int Attempts = 3;

    private readonly HeldFile _lock;

    private WorkDirectory(string path, HeldFile held) => (FullPath, _lock) = (path, held);

    /// <summary>The directory to write into.</summary>
    public string FullPath { get; }

    /// <summary>Makes one in an existing directory, and removes what killed writers left there.</summary>
    public static WorkDirectory Create(string parent)
    {
        Leftovers.Clean(parent);
        for (int attempt = 0; ; attempt++)
        {
            string path = HiddenNames.NewPartial(parent);
            string file = HiddenNames.LockOf(path);
            // A process that cleans may hold a new lock file for a moment; another name then does.
            if ((attempt < Attempts ? HeldFile.TryHold(file) : HeldFile.Hold(file)) is not { } held)
            {
                continue;
            }
            try
            {
                DiskChanges.CreateDirectory(path);
                return new WorkDirectory(path, held);
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
    }

    public void Dispose()
    {
        try
        {
            DiskChanges.DeleteTree(FullPath);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // The next writer removes it; the error that led here, or the success, is what counts.
        }
        finally
        {
            _lock.Dispose();
        }
    }
}

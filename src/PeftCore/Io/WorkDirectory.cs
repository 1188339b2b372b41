namespace PeftCore.Io;

/// <summary>A hidden directory for incomplete files. It is locked, so that no other process removes it; Dispose removes it unless it was
/// renamed.</summary>
internal sealed class WorkDirectory : IDisposable
{
    private const int Attempts = 3;

    private readonly HeldFile _lock;

    private WorkDirectory(string path, HeldFile held) => (FullPath, _lock) = (path, held);

    /// <summary>The directory to write to.</summary>
    public string FullPath { get; }

    /// <summary>Creates one in an existing directory, and removes temporary files of killed writers.</summary>
    public static WorkDirectory Create(string parent)
    {
        Leftovers.Clean(parent);
        for (int attempt = 0; ; attempt++)
        {
            string path = HiddenNames.NewPartial(parent);
            string file = HiddenNames.LockOf(path);
            // A cleaning process may lock a new lock file for a moment; then another name is tried.
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
            // The next writer removes it; the result of the write is unaffected.
        }
        finally
        {
            _lock.Dispose();
        }
    }
}

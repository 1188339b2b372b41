namespace PeftCore.Io;

/// <summary>A lock file. The operating system releases the lock when the process ends, even if killed, so a file that can be locked belongs
/// to no running process.</summary>
internal sealed class HeldFile : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly FileStream _file;

    private HeldFile(FileStream file) => _file = file;

    /// <summary>Locks a file, created if missing; null if another writer has locked it or it is not writable.</summary>
    public static HeldFile? TryHold(string path)
    {
        try
        {
            return Hold(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            return null;
        }
    }

    /// <summary>Locks a file, created if missing.</summary>
    /// <exception cref="IOException">Another writer has locked it, or it is not writable.</exception>
    public static HeldFile Hold(string path)
    {
        DiskChanges.Before?.Invoke($"hold {path}");
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            // The former owner may have removed the file after it was opened here, and another writer created a new one. A random length
            // distinguishes the two.
            long token = Random.Shared.Next(1, 1 << 20);
            file.SetLength(token);
            var named = new FileInfo(path);
            return named.Exists && named.Length == token ? new HeldFile(file) : throw new IOException($"another process holds {path}");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Locks a file, waiting while a condition is true, at most for a time.</summary>
    public static HeldFile? TryHold(string path, TimeSpan timeout, Func<bool> condition)
    {
        var until = DateTime.UtcNow + timeout;
        while (condition())
        {
            if (TryHold(path) is { } held)
            {
                return held;
            }
            if (DateTime.UtcNow > until)
            {
                return null;
            }
            Thread.Sleep(Pause);
        }
        return null;
    }

    /// <summary>Removes the file and releases the lock.</summary>
    public void Dispose()
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                _file.Dispose(); // Windows does not remove open files.
            }
            DiskChanges.DeleteFile(_file.Name);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Another writer has locked it by now, or removes it later.
        }
        finally
        {
            _file.Dispose();
        }
    }
}

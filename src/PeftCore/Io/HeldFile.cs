namespace PeftCore.Io;

/// <summary>A lock file. The system lets go of it when its process ends, however it ends, so a file that can be held belongs to nobody
/// alive.</summary>
internal sealed class HeldFile : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly FileStream _file;

    private HeldFile(FileStream file) => _file = file;

    /// <summary>Holds a lock file, made if it is missing; null if another writer holds it or it may not be written to.</summary>
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

    /// <summary>Holds a lock file, made if it is missing.</summary>
    /// <exception cref="IOException">Another writer holds it, or it cannot be written to.</exception>
    public static HeldFile Hold(string path)
    {
        DiskChanges.Before?.Invoke($"hold {path}");
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            // The holder before may have removed the file after it was opened here, and another writer made a new one. A random length
            // tells them apart.
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

    /// <summary>Holds a lock file, waiting for its holder as long as a condition is true and at most for some time.</summary>
    public static HeldFile? TryHold(string path, TimeSpan patience, Func<bool> wanted)
    {
        var until = DateTime.UtcNow + patience;
        while (wanted())
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

    /// <summary>Removes the file and lets go of it.</summary>
    public void Dispose()
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                _file.Dispose(); // Windows removes no file that is open.
            }
            DiskChanges.DeleteFile(_file.Name);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Another writer holds it by now, or cleans it later.
        }
        finally
        {
            _file.Dispose();
        }
    }
}

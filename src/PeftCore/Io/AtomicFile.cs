using System.Text;

namespace PeftCore.Io;

/// <summary>Writes files atomically: the bytes are written to a hidden file in the same directory, flushed to the disk and renamed. The
/// next writer removes temporary files of killed ones.</summary>
public static class AtomicFile
{
    private const int Attempts = 3;

    /// <summary>Writes text as UTF-8 without a byte-order mark.</summary>
    /// <exception cref="BadInputException">The path is not writable; the old file is intact.</exception>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes bytes.</summary>
    /// <exception cref="BadInputException">The path is not writable; the old file is intact.</exception>
    internal static void WriteAllBytes(string path, ReadOnlySpan<byte> bytes)
    {
        byte[] copy = bytes.ToArray();
        Write(path, stream => stream.Write(copy));
    }

    /// <summary>Writes the content of the callback's stream. Missing parent directories are created.</summary>
    internal static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        try
        {
            string full = Path.GetFullPath(path);
            if (Directory.Exists(full))
            {
                throw new BadInputException($"{path}: a file is to be written here, but this is a directory; choose another name.");
            }
            ReadOnlyCheck.Check(path, full);
            string directory = Path.GetDirectoryName(full)!;
            DiskChanges.CreateDirectory(directory);
            bool alone = !HiddenNames.IsInPartial(full);
            if (alone)
            {
                PendingFiles.Recover(directory);
                Leftovers.Clean(directory);
                Leftovers.CleanFormer(full);
            }
            Write(full, write, flush: alone);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    /// <param name="full">The path to write.</param>
    /// <param name="write">Writes the content.</param>
    /// <param name="flush">Whether to flush the file; a part of a larger directory is flushed with it.</param>
    private static void Write(string full, Action<Stream> write, bool flush)
    {
        string? partial = null;
        try
        {
            // Renamed while open, so that the file is locked as long as it has the hidden name.
            using var stream = CreateTemporary(full);
            partial = stream.Name;
            write(stream);
            if (flush)
            {
                DiskChanges.Flush(stream);
            }
            else
            {
                stream.Flush();
            }
            DiskChanges.MoveFile(partial, full);
            partial = null;
        }
        finally
        {
            if (partial is not null)
            {
                TryDelete(partial);
            }
        }
        if (flush)
        {
            DiskChanges.SyncDirectory(Path.GetDirectoryName(full)!);
        }
    }

    private static FileStream CreateTemporary(string full)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                var stream = DiskChanges.Create(HiddenNames.NewPartial(Path.GetDirectoryName(full)!));
                if (File.Exists(stream.Name))
                {
                    return stream;
                }
                stream.Dispose();
            }
            catch (IOException) when (attempt < Attempts)
            {
                // A cleaning process removed the file between its creation and its lock.
            }
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            DiskChanges.DeleteFile(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // The first error is reported; the next writer removes the file.
        }
    }
}

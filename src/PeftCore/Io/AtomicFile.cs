using System.Text;

namespace PeftCore.Io;

/// <summary>Writes files so that a reader sees the old content or the new, never a part: the bytes go to a file beside, are flushed to
/// the disk, and only then take the old file's name. A killed writer leaves at most one ".partial" file, which the next one reuses.</summary>
public static class AtomicFile
{
    internal const string PartialSuffix = ".partial";

    /// <summary>Writes text as UTF-8 without a byte-order mark.</summary>
    /// <exception cref="BadInputException">The place cannot be written to; the old file is intact.</exception>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes bytes.</summary>
    /// <exception cref="BadInputException">The place cannot be written to; the old file is intact.</exception>
    public static void WriteAllBytes(string path, ReadOnlySpan<byte> bytes)
    {
        byte[] copy = bytes.ToArray();
        Write(path, stream => stream.Write(copy));
    }

    /// <summary>Writes what the callback puts into the stream. Missing parent directories are made.</summary>
    /// <exception cref="BadInputException">The place cannot be written to; the old file is intact.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string full = Path.GetFullPath(path);
        string partial = full + PartialSuffix;
        bool ours = false;
        try
        {
            if (Directory.Exists(full))
                throw new BadInputException($"{path}: a file is to be written here, but this is a directory; choose another name.");
            OutputPlace.Check(path, full);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                ours = true;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, full, overwrite: true);
            ours = false;
            DiskSync.Directory(Path.GetDirectoryName(full)!);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(path, e);
        }
        finally
        {
            if (ours)
                TryDelete(partial);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            // The error that led here is the one to report; a leftover is overwritten by the next writer.
        }
    }
}

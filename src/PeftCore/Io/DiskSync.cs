using System.Runtime.InteropServices;

namespace PeftCore.Io;

/// <summary>fsync of directories: on Unix a rename survives a power cut only after its directory was flushed, for which .NET has no call.
/// Where fsync does not work (some network file systems, Windows) the rename is still atomic.</summary>
internal static partial class DiskSync
{
    private const int ReadOnly = 0;

    /// <summary>Flushes a directory's entries to the disk, where the system supports it.</summary>
    public static void Directory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int handle = Open(path, ReadOnly);
        if (handle < 0)
        {
            return;
        }

        _ = Fsync(handle);
        _ = Close(handle);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Fsync(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}

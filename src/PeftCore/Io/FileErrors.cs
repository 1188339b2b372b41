namespace PeftCore.Io;

/// <summary>Translates file errors of the operating system to messages a user can act on.</summary>
internal static class FileErrors
{
    private const int DiskFullWindows = unchecked((int)0x80070070);
    private const int NoSpaceLinux = 28;
    private const int QuotaLinux = 122;

    /// <summary>Whether an exception is a file system error, not a bug.</summary>
    public static bool IsFileError(Exception e) =>
        e is IOException or UnauthorizedAccessException or NotSupportedException or System.Security.SecurityException;

    /// <summary>The error for a file that cannot be read.</summary>
    public static BadInputException Reading(string path, Exception e) => new(e switch
    {
        FileNotFoundException or DirectoryNotFoundException => $"{path}: there is no such file; check the path.",
        UnauthorizedAccessException when Directory.Exists(path) => $"{path}: a file was expected, but this is a directory.",
        UnauthorizedAccessException => $"{path}: the file may not be read by this user; check its permissions.",
        _ => $"{path}: the file cannot be read: {Trim(e.Message)}.",
    }, e);

    /// <summary>The error for a file or directory that cannot be written.</summary>
    public static BadInputException Writing(string path, Exception e) => new(e switch
    {
        _ when IsDiskFull(e) => $"{path}: the disk is full, nothing was changed; free some space or choose another output directory.",
        UnauthorizedAccessException => $"{path}: this place may not be written to, nothing was changed; choose another output directory.",
        _ => $"{path}: the file cannot be written, nothing was changed: {Trim(e.Message)}.",
    }, e);

    private static bool IsDiskFull(Exception e) =>
        e is IOException && (e.HResult is DiskFullWindows or NoSpaceLinux or QuotaLinux
            || e.Message.StartsWith("No space left on device", StringComparison.Ordinal));

    private static string Trim(string message) => message.TrimEnd('.', ' ');
}

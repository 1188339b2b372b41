using System.Buffers.Binary;
using System.Globalization;
using PeftCore.Io;

namespace PeftCore.Cli.TensorBoard;

/// <summary>An event file of TensorBoard: records (TFRecord) of a length, its masked CRC-32C, an <see cref="EventMessage"/>, and its masked
/// CRC-32C. Each record is written in one call, so that a killed run leaves at most one incomplete record, the last.</summary>
internal sealed class EventFile : IDisposable
{
    // TensorBoard reads files with "tfevents" in their name; the end tells ours from those of other programs.
    private const string Prefix = "events.out.tfevents.", Suffix = ".peftcore";

    private readonly FileStream _file;

    private EventFile(FileStream file) => _file = file;

    /// <summary>Creates a file with the event of its version.</summary>
    /// <param name="directory">The run's directory.</param>
    /// <param name="replace">Whether earlier files of this tool are removed, as a new run replaces the log of an earlier one.</param>
    /// <exception cref="BadInputException">The directory is not writable.</exception>
    public static EventFile Create(string directory, bool replace)
    {
        string time = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString("0000000000", CultureInfo.InvariantCulture);
        string machine = string.Concat(Environment.MachineName.Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.'));
        string path = Path.Combine(directory, $"{Prefix}{time}.{machine}.{Environment.ProcessId}{Suffix}");
        try
        {
            foreach (string old in replace ? Directory.GetFiles(directory, $"{Prefix}*{Suffix}") : [])
            {
                File.Delete(old);
            }
            var events = new EventFile(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete,
                bufferSize: 0));
            events.Write(EventMessage.FileVersion(Now()));
            return events;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    /// <summary>Seconds since 1970.</summary>
    public static double Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1e3;

    /// <summary>Appends a record.</summary>
    /// <exception cref="BadInputException">The disk is full.</exception>
    public void Write(ReadOnlySpan<byte> message)
    {
        byte[] record = new byte[sizeof(ulong) + sizeof(uint) + message.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)message.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), Crc32C.MaskedOf(record.AsSpan(0, sizeof(ulong))));
        message.CopyTo(record.AsSpan(sizeof(ulong) + sizeof(uint)));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - sizeof(uint)), Crc32C.MaskedOf(message));
        try
        {
            _file.Write(record);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(_file.Name, e);
        }
    }

    public void Dispose() => _file.Dispose();
}

using System.Text;
using System.Text.Unicode;
using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Reads the bytes of a data file and checks that they are text.</summary>
internal static class DataBytes
{
    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Reads a file, which must be UTF-8 and not empty, without its byte-order mark.</summary>
    public static ReadOnlyMemory<byte> Read(string path)
    {
        ReadOnlyMemory<byte> bytes;
        try
        {
            var info = new FileInfo(path);
            info = info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info;
            if (info.Length > Array.MaxLength)
            {
                throw new BadInputException(
                    $"{path}: the file has {info.Length} bytes, more than can be read at once; split it into several files.");
            }

            bytes = info.Length == 0 ? default : File.ReadAllBytes(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
        Check(path, bytes.Span);
        return bytes.Span.StartsWith(ByteOrderMark) ? bytes[ByteOrderMark.Length..] : bytes;
    }

    /// <summary>The text of a whole file.</summary>
    public static string ReadText(string path) => Encoding.UTF8.GetString(Read(path).Span);

    private static void Check(string path, ReadOnlySpan<byte> bytes)
    {
        if (ForeignBytes.Problem(bytes) is { } problem)
        {
            throw new BadInputException($"{path}: {problem}.");
        }

        if (!Utf8.IsValid(bytes))
        {
            throw new RowPlace(path, BadLine(bytes)).Error("the text is not valid UTF-8; save the file as UTF-8");
        }

        if (bytes.TrimStart(ByteOrderMark).IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            throw new BadInputException($"{path}: the file is empty, expected rows of {RowForm.Accepted}, or text.");
        }

        if (bytes.IndexOf((byte)0) is >= 0 and int zero)
        {
            throw new RowPlace(path, 1 + bytes[..zero].Count((byte)'\n')).Error(
                "the text holds a NUL byte, which no text has; write the file anew");
        }
    }

    private static int BadLine(ReadOnlySpan<byte> bytes)
    {
        int line = 1;
        while (bytes.IndexOf((byte)'\n') is >= 0 and int end && Utf8.IsValid(bytes[..end]))
        {
            bytes = bytes[(end + 1)..];
            line++;
        }
        return line;
    }
}

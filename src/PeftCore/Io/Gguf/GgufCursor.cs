using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace PeftCore.Io.Gguf;

/// <summary>Reads the header of a GGUF file from its beginning, little-endian. What reaches beyond the end of the file is an error that
/// names the place.</summary>
/// <param name="file">The file.</param>
/// <param name="at">Offset of the next byte.</param>
internal sealed class GgufCursor(MappedFile file, long at = 0)
{
    /// <summary>Offset of the next byte.</summary>
    public long At => at;

    /// <summary>Bytes that follow.</summary>
    public long Left => file.Length - at;

    /// <summary>Reads bytes.</summary>
    /// <param name="length">Their number.</param>
    /// <param name="what">What they are, for errors.</param>
    public ReadOnlySpan<byte> Bytes(long length, string what)
    {
        if (length > Left || length > int.MaxValue)
        {
            throw Bad($"{what} needs {length} bytes, but {Left} follow; the file is cut off or damaged");
        }
        var bytes = file.Span(at, (int)length);
        at += length;
        return bytes;
    }

    /// <summary>Skips bytes.</summary>
    public void Skip(long length, string what)
    {
        if (length > Left)
        {
            throw Bad($"{what} needs {length} bytes, but {Left} follow; the file is cut off or damaged");
        }
        at += length;
    }

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(sizeof(uint), what));

    /// <summary>Reads a count or a length of 64 bits.</summary>
    /// <param name="what">What it is, for errors.</param>
    /// <param name="most">The largest possible value in this file.</param>
    public long Count(string what, long most)
    {
        long place = at;
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(Bytes(sizeof(ulong), what));
        return count <= (ulong)most ? (long)count : throw Bad($"{what} is {count}, but the rest of the file holds at most {most}; " +
            "the file is cut off or damaged", place);
    }

    /// <summary>Reads a string: its length in 64 bits, then UTF-8.</summary>
    public string Text(string what)
    {
        long place = at;
        var bytes = Bytes(Count($"the length of {what}", Math.Max(0, Left - sizeof(ulong))), what);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Bad($"{what} is not valid UTF-8; the file is damaged", place);
    }

    /// <summary>Skips a string.</summary>
    public void SkipText(string what) => Skip(Count($"the length of {what}", Math.Max(0, Left - sizeof(ulong))), what);

    /// <summary>An error at the current place, or another one.</summary>
    public BadInputException Bad(string problem, long? place = null) => new($"{file.Path}: at byte {place ?? at}, {problem}.");
}

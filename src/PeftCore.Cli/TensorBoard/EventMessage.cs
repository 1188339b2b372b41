using System.Buffers.Binary;
using System.Text;

namespace PeftCore.Cli.TensorBoard;

/// <summary>Writes TensorFlow's protocol buffer message Event (event.proto): wall_time = 1, step = 2, and one of file_version = 3,
/// summary = 5, session_log = 7.</summary>
internal static class EventMessage
{
    // A field begins with its number and its wire type.
    private const int Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;

    private const int SessionStart = 1;

    /// <summary>The first event of a file, which names its version.</summary>
    public static byte[] FileVersion(double time) => Event(time, 0, body => Text(body, 3, "brain.Event:2"));

    /// <summary>The start of a session: readers drop the events of earlier files from this step on.</summary>
    public static byte[] Start(double time, long step) =>
        Event(time, step, body => Message(body, 7, log => Number(log, 1, SessionStart)));

    /// <summary>Scalars of one step: Summary.value = 1 with tag = 1 and simple_value = 2.</summary>
    public static byte[] Scalars(double time, long step, IEnumerable<(string Tag, double Value)> scalars) =>
        Event(time, step, body => Message(body, 5, summary =>
        {
            foreach (var (tag, value) in scalars)
            {
                Message(summary, 1, entry =>
                {
                    Text(entry, 1, tag);
                    Single(entry, 2, (float)value);
                });
            }
        }));

    private static byte[] Event(double time, long step, Action<MemoryStream> what)
    {
        using var body = new MemoryStream();
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, time);
        Key(body, 1, Fixed64);
        body.Write(bytes);
        Number(body, 2, (ulong)step);
        what(body);
        return body.ToArray();
    }

    private static void Message(MemoryStream body, int field, Action<MemoryStream> write)
    {
        using var inner = new MemoryStream();
        write(inner);
        Field(body, field, inner.ToArray());
    }

    private static void Text(MemoryStream body, int field, string text) => Field(body, field, Encoding.UTF8.GetBytes(text));

    private static void Field(MemoryStream body, int field, byte[] bytes)
    {
        Key(body, field, Bytes);
        WriteVarint(body, (ulong)bytes.Length);
        body.Write(bytes);
    }

    private static void Number(MemoryStream body, int field, ulong value)
    {
        Key(body, field, Varint);
        WriteVarint(body, value);
    }

    private static void Single(MemoryStream body, int field, float value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        Key(body, field, Fixed32);
        body.Write(bytes);
    }

    private static void Key(MemoryStream body, int field, int wireType) => WriteVarint(body, (ulong)((field << 3) | wireType));

    /// <summary>Seven bits a byte, the lowest first; the high bit says that more follow.</summary>
    private static void WriteVarint(MemoryStream body, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            body.WriteByte((byte)(value | 0x80));
        }
        body.WriteByte((byte)value);
    }
}

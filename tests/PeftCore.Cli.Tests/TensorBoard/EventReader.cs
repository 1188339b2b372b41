using System.Buffers.Binary;
using System.Text;

namespace PeftCore.Cli.Tests.TensorBoard;

/// <summary>An event as a reader of TensorBoard's files sees it.</summary>
internal sealed record ReadEvent(double Time, long Step, string? FileVersion, bool IsStart, IReadOnlyDictionary<string, float> Scalars);

/// <summary>Reads event files and checks the checksums of their records. It shares no code with the writer.</summary>
internal static class EventReader
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(i =>
    {
        uint value = (uint)i;
        for (int bit = 0; bit < 8; bit++)
        {
            value = (value & 1) != 0 ? 0x82F63B78 ^ (value >> 1) : value >> 1;
        }
        return value;
    })];

    public static List<ReadEvent> Read(string path)
    {
        ReadOnlySpan<byte> file = File.ReadAllBytes(path);
        var events = new List<ReadEvent>();
        while (file.Length > 0)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file[8..]), Is.EqualTo(Masked(Crc(file[..8]))), "checksum of a length");
            var body = file.Slice(12, length);
            Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(file[(12 + length)..]), Is.EqualTo(Masked(Crc(body))), "checksum of a record");
            events.Add(EventOf(body));
            file = file[(16 + length)..];
        }
        return events;
    }

    /// <summary>CRC-32C by a table of the reflected polynomial.</summary>
    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc = Table[(byte)(crc ^ value)] ^ (crc >> 8);
        }
        return ~crc;
    }

    public static uint Masked(uint crc) => ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;

    private static ReadEvent EventOf(ReadOnlySpan<byte> body)
    {
        var found = new ReadEvent(0, 0, null, false, new Dictionary<string, float>());
        foreach (var (field, number, bytes) in Fields(body))
        {
            found = field switch
            {
                1 => found with { Time = BitConverter.UInt64BitsToDouble(number) },
                2 => found with { Step = (long)number },
                3 => found with { FileVersion = Encoding.UTF8.GetString(bytes) },
                5 => found with { Scalars = Fields(bytes).Select(value => ScalarOf(value.Bytes)).ToDictionary() },
                7 => found with { IsStart = Fields(bytes) is [(1, 1, _)] },
                _ => throw new InvalidDataException($"field {field}"),
            };
        }
        return found;
    }

    private static (string Tag, float Value) ScalarOf(byte[] value)
    {
        var fields = Fields(value);
        return (Encoding.UTF8.GetString(fields.Single(field => field.Field == 1).Bytes),
            BitConverter.UInt32BitsToSingle((uint)fields.Single(field => field.Field == 2).Number));
    }

    private static List<(int Field, ulong Number, byte[] Bytes)> Fields(ReadOnlySpan<byte> body)
    {
        var fields = new List<(int, ulong, byte[])>();
        while (body.Length > 0)
        {
            ulong key = Varint(ref body);
            int field = (int)(key >> 3);
            switch (key & 7)
            {
                case 0:
                    fields.Add((field, Varint(ref body), []));
                    break;
                case 1:
                    fields.Add((field, BinaryPrimitives.ReadUInt64LittleEndian(body), []));
                    body = body[8..];
                    break;
                case 2:
                    int length = (int)Varint(ref body);
                    fields.Add((field, 0, body[..length].ToArray()));
                    body = body[length..];
                    break;
                case 5:
                    fields.Add((field, BinaryPrimitives.ReadUInt32LittleEndian(body), []));
                    body = body[4..];
                    break;
                default:
                    throw new InvalidDataException($"wire type {key & 7}");
            }
        }
        return fields;
    }

    private static ulong Varint(ref ReadOnlySpan<byte> body)
    {
        ulong value = 0;
        for (int i = 0; ; i++)
        {
            value |= (ulong)(body[i] & 0x7F) << (7 * i);
            if ((body[i] & 0x80) == 0)
            {
                body = body[(i + 1)..];
                return value;
            }
        }
    }
}

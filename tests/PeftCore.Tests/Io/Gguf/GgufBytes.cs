using System.Text;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>A GGUF file written value by value, without the library's writer.</summary>
internal sealed class GgufBytes
{
    private readonly MemoryStream _values = new();
    private readonly MemoryStream _entries = new();
    private readonly MemoryStream _data = new();

    public uint Version { get; init; } = 3;

    public ulong ValueCount { get; set; }

    public ulong TensorCount { get; set; }

    public int Alignment { get; init; } = 32;

    public GgufBytes Value(string key, uint type, params byte[] bytes)
    {
        using var writer = new BinaryWriter(_values, Encoding.UTF8, leaveOpen: true);
        Text(writer, key);
        writer.Write(type);
        writer.Write(bytes);
        ValueCount++;
        return this;
    }

    public GgufBytes Value(string key, string text) => Value(key, 8, [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(text)),
        .. Encoding.UTF8.GetBytes(text)]);

    public GgufBytes Value(string key, uint number) => Value(key, 4, BitConverter.GetBytes(number));

    public GgufBytes Tensor(string name, uint type, long[] axesInnermostFirst, byte[] bytes, ulong? offset = null)
    {
        using var writer = new BinaryWriter(_entries, Encoding.UTF8, leaveOpen: true);
        Text(writer, name);
        writer.Write((uint)axesInnermostFirst.Length);
        Array.ForEach(axesInnermostFirst, writer.Write);
        writer.Write(type);
        writer.Write(offset ?? (ulong)_data.Length);
        _data.Write(bytes);
        while (_data.Length % Alignment != 0)
        {
            _data.WriteByte(0);
        }
        TensorCount++;
        return this;
    }

    public byte[] ToArray()
    {
        var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write(TensorCount);
        writer.Write(ValueCount);
        writer.Write(_values.ToArray());
        writer.Write(_entries.ToArray());
        while (file.Length % Alignment != 0)
        {
            writer.Write((byte)0);
        }
        writer.Write(_data.ToArray());
        return file.ToArray();
    }

    private static void Text(BinaryWriter writer, string text)
    {
        writer.Write((ulong)Encoding.UTF8.GetByteCount(text));
        writer.Write(Encoding.UTF8.GetBytes(text));
    }
}

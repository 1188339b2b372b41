using System.Buffers.Binary;
using System.Text;

namespace PeftCore.Io.Gguf;

/// <summary>Metadata to write to a GGUF file: values in the order in which they are added, of the types that gguf-py gives them.</summary>
internal sealed class GgufMetadata
{
    private readonly MemoryStream _bytes = new();
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);

    /// <summary>Number of values.</summary>
    public int Count => _keys.Count;

    /// <summary>The encoded values.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.GetBuffer().AsSpan(0, (int)_bytes.Length);

    public void Add(string key, string value)
    {
        Begin(key, GgufValueType.String);
        Put(value);
    }

    public void Add(string key, uint value)
    {
        Begin(key, GgufValueType.UInt32);
        Put(value);
    }

    public void Add(string key, float value)
    {
        Begin(key, GgufValueType.Float32);
        Put(BitConverter.SingleToUInt32Bits(value));
    }

    public void Add(string key, bool value)
    {
        Begin(key, GgufValueType.Bool);
        _bytes.WriteByte(value ? (byte)1 : (byte)0);
    }

    public void Add(string key, IReadOnlyCollection<string> values)
    {
        BeginList(key, GgufValueType.String, values.Count);
        foreach (string value in values)
        {
            Put(value);
        }
    }

    public void Add(string key, IReadOnlyCollection<int> values)
    {
        BeginList(key, GgufValueType.Int32, values.Count);
        foreach (int value in values)
        {
            Put((uint)value);
        }
    }

    public void Add(string key, IReadOnlyCollection<float> values)
    {
        BeginList(key, GgufValueType.Float32, values.Count);
        foreach (float value in values)
        {
            Put(BitConverter.SingleToUInt32Bits(value));
        }
    }

    /// <summary>A string as files have it: its length in bytes, then UTF-8.</summary>
    internal static byte[] Encode(string text)
    {
        byte[] bytes = new byte[sizeof(ulong) + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(bytes.Length - sizeof(ulong)));
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(sizeof(ulong)));
        return bytes;
    }

    private void Begin(string key, GgufValueType type)
    {
        if (!_keys.Add(key))
        {
            throw new ArgumentException($"the metadata have \"{key}\" already", nameof(key));
        }
        Put(key);
        Put((uint)type);
    }

    private void BeginList(string key, GgufValueType type, int count)
    {
        Begin(key, GgufValueType.Array);
        Put((uint)type);
        Put((uint)count);
        Put(0); // The count has 64 bits.
    }

    private void Put(string text) => _bytes.Write(Encode(text));

    private void Put(uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _bytes.Write(bytes);
    }
}

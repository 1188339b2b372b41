using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PeftCore.Io;

/// <summary>Writes safetensors files, byte for byte as Hugging Face's library: tensors by falling alignment, then by name, after a header
/// padded with spaces so that the data begins on a multiple of eight.</summary>
internal static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>Writes a file atomically.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="tensors">The tensors, in any order; names must differ.</param>
    /// <param name="metadata">The header's "__metadata__", such as {"format": "pt"}.</param>
    /// <exception cref="BadInputException">The path is not writable; the old file is intact.</exception>
    public static void Write(string path, IEnumerable<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        SafetensorsTensor[] sorted =
            [.. tensors.OrderByDescending(t => SafetensorsDType.Rank(t.DType)).ThenBy(t => t.Name, StringComparer.Ordinal)];
        byte[] header = Header(sorted, metadata);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (var tensor in sorted)
            {
                WriteTensor(stream, tensor);
            }
        });
    }

    private static void WriteTensor(Stream stream, SafetensorsTensor tensor)
    {
        long before = stream.Position;
        tensor.WriteTo(stream);
        if (stream.Position - before != tensor.Length)
        {
            throw new InvalidOperationException(
                $"Tensor \"{tensor.Name}\" wrote {stream.Position - before} bytes, but its dtype and shape need {tensor.Length}.");
        }
    }

    private static byte[] Header(SafetensorsTensor[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            WriteEntries(json, tensors);
            json.WriteEndObject();
        }
        int padded = (buffer.WrittenCount + Alignment - 1) / Alignment * Alignment;
        byte[] header = new byte[sizeof(ulong) + padded];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)padded);
        buffer.WrittenSpan.CopyTo(header.AsSpan(sizeof(ulong)));
        header.AsSpan(sizeof(ulong) + buffer.WrittenCount).Fill((byte)' ');
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null or { Count: 0 })
        {
            return;
        }

        json.WriteStartObject("__metadata__");
        foreach ((string key, string value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteEntries(Utf8JsonWriter json, SafetensorsTensor[] tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        long offset = 0;
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Name))
            {
                throw new ArgumentException($"Two tensors are named \"{tensor.Name}\", or the name is reserved.", nameof(tensors));
            }

            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", tensor.DType);
            json.WriteStartArray("shape");
            foreach (long axis in tensor.Shape)
            {
                json.WriteNumberValue(axis);
            }

            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(offset);
            json.WriteNumberValue(offset = checked(offset + tensor.Length));
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }
}

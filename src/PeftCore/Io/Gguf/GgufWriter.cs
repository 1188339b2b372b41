using System.Buffers.Binary;

namespace PeftCore.Io.Gguf;

/// <summary>A tensor to write to a GGUF file.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Type">The type of its numbers.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
/// <param name="WriteTo">Writes exactly the tensor's bytes to a stream.</param>
internal sealed record GgufTensorData(string Name, GgufType Type, long[] Shape, Action<Stream> WriteTo)
{
    /// <summary>Bytes, by type and shape.</summary>
    public long Length => Shape.Aggregate(1L, (count, axis) => count * axis) / Type.Elements * Type.Bytes;
}

/// <summary>Writes GGUF files of version 3, little-endian, byte for byte as gguf-py: metadata, entries and data in the given order, data at
/// multiples of 32.</summary>
internal static class GgufWriter
{
    private const int Alignment = 32;
    private const uint Version = 3;

    /// <summary>Writes a file atomically.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="metadata">The metadata.</param>
    /// <param name="tensors">The tensors.</param>
    /// <exception cref="BadInputException">The path is not writable; the old file is intact.</exception>
    public static void Write(string path, GgufMetadata metadata, IReadOnlyList<GgufTensorData> tensors) => AtomicFile.Write(path, stream =>
    {
        stream.Write("GGUF"u8);
        Put(stream, Version);
        Put(stream, (ulong)tensors.Count);
        Put(stream, (ulong)metadata.Count);
        stream.Write(metadata.Bytes);
        ulong offset = 0;
        foreach (var tensor in tensors)
        {
            stream.Write(GgufMetadata.Encode(tensor.Name));
            Put(stream, (uint)tensor.Shape.Length);
            foreach (long axis in Enumerable.Reverse(tensor.Shape))
            {
                Put(stream, (ulong)axis);
            }
            Put(stream, tensor.Type.Id);
            Put(stream, offset);
            offset += ((ulong)tensor.Length + Alignment - 1) / Alignment * Alignment;
        }
        Pad(stream);
        foreach (var tensor in tensors)
        {
            long before = stream.Position;
            tensor.WriteTo(stream);
            if (stream.Position - before != tensor.Length)
            {
                throw new InvalidOperationException(
                    $"Tensor \"{tensor.Name}\" wrote {stream.Position - before} bytes, but its type and shape need {tensor.Length}.");
            }
            Pad(stream);
        }
    });

    private static void Pad(Stream stream)
    {
        while (stream.Position % Alignment != 0)
        {
            stream.WriteByte(0);
        }
    }

    private static void Put(Stream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void Put(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}

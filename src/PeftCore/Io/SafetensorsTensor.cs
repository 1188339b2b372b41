using System.Runtime.InteropServices;

namespace PeftCore.Io;

/// <summary>A tensor to write to a safetensors file: its header entry and the source of its bytes.</summary>
internal sealed class SafetensorsTensor
{
    /// <summary>Elements of an array that are written at once.</summary>
    private const int Piece = 1 << 20;

    /// <summary>Creates a tensor from bytes in memory.</summary>
    /// <param name="name">The name in the file.</param>
    /// <param name="dtype">The element type as the file spells it, such as "F32".</param>
    /// <param name="shape">The sizes of its axes.</param>
    /// <param name="bytes">Its elements, row-major and little-endian.</param>
    public SafetensorsTensor(string name, string dtype, long[] shape, ReadOnlyMemory<byte> bytes)
        : this(name, dtype, shape, stream => stream.Write(bytes.Span)) { }

    /// <summary>Creates a tensor whose bytes are written by a callback, so that a large one is never in memory as a whole.</summary>
    /// <param name="name">The name in the file.</param>
    /// <param name="dtype">The element type as the file spells it, such as "F32".</param>
    /// <param name="shape">The sizes of its axes.</param>
    /// <param name="write">Writes exactly the tensor's bytes to the stream.</param>
    public SafetensorsTensor(string name, string dtype, long[] shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(dtype);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(write);
        if (!SafetensorsDType.TryGetSize(dtype, out int size))
        {
            throw new ArgumentException($"Tensor \"{name}\": unknown dtype \"{dtype}\", expected one of {SafetensorsDType.Known}.",
                nameof(dtype));
        }

        if (!SafetensorsDType.TryGetByteLength(shape, size, out long length))
        {
            throw new ArgumentException($"Tensor \"{name}\": the shape [{string.Join(", ", shape)}] is negative or too large.",
                nameof(shape));
        }

        (Name, DType, Shape, Length, WriteTo) = (name, dtype, shape, length, write);
    }

    /// <summary>Creates a tensor from an array of any length, which is written in pieces.</summary>
    public static SafetensorsTensor Of<T>(string name, string dtype, long[] shape, T[] values) where T : unmanaged =>
        new(name, dtype, shape, stream =>
        {
            for (int at = 0; at < values.Length; at += Math.Min(Piece, values.Length - at))
            {
                stream.Write(MemoryMarshal.AsBytes(values.AsSpan(at, Math.Min(Piece, values.Length - at))));
            }
        });

    /// <summary>The name in the file.</summary>
    public string Name { get; }

    /// <summary>The element type as the file spells it.</summary>
    public string DType { get; }

    /// <summary>The sizes of its axes.</summary>
    public long[] Shape { get; }

    /// <summary>Bytes, by dtype and shape.</summary>
    public long Length { get; }

    internal Action<Stream> WriteTo { get; }
}

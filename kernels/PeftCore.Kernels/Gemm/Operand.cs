using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>A read-only row-major matrix in its stored type. Kernels widen it to float32 as they read it.</summary>
internal readonly ref struct Operand
{
    /// <summary>Wraps stored numbers; <paramref name="stride"/> is the distance between rows, in elements.</summary>
    public Operand(ReadOnlySpan<byte> data, ElementType type, int stride)
    {
        Data = data;
        Type = type;
        Stride = stride;
    }

    /// <summary>The stored bytes.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>How each number is stored.</summary>
    public ElementType Type { get; }

    /// <summary>Elements from one row to the next.</summary>
    public int Stride { get; }

    /// <summary>Whether there is nothing: no weight, no bias.</summary>
    public bool IsEmpty => Data.IsEmpty;

    /// <summary>Wraps float32 numbers.</summary>
    public static Operand F32(ReadOnlySpan<float> data, int stride) => new(MemoryMarshal.AsBytes(data), ElementType.F32, stride);

    /// <summary>Wraps a single row (a bias, a norm's weight) of any type.</summary>
    public static Operand Row(ReadOnlySpan<byte> data, ElementType type) =>
        new(data, type, data.Length / Elements.Size(type));
}

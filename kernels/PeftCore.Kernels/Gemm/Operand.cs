using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>A read-only row-major matrix of any element type. Kernels convert to float32 as they load.</summary>
internal readonly ref struct Operand
{
    /// <summary>A matrix whose rows are <paramref name="stride"/> elements apart.</summary>
    public Operand(ReadOnlySpan<byte> data, ElementType type, int stride)
    {
        Data = data;
        Type = type;
        Stride = stride;
    }

    /// <summary>The stored bytes.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>The element type.</summary>
    public ElementType Type { get; }

    /// <summary>Elements between rows.</summary>
    public int Stride { get; }

    /// <summary>Whether there is no matrix, as for an absent weight or bias.</summary>
    public bool IsEmpty => Data.IsEmpty;

    /// <summary>A float32 matrix.</summary>
    public static Operand F32(ReadOnlySpan<float> data, int stride) => new(MemoryMarshal.AsBytes(data), ElementType.F32, stride);

    /// <summary>A single row, such as a bias or a norm's weight.</summary>
    public static Operand Row(ReadOnlySpan<byte> data, ElementType type) =>
        new(data, type, data.Length / Elements.Size(type));
}

using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Handles files with a head table whose configuration ties the head to the embedding. Equal tables stay tied; different ones are
/// untied, as in Hugging Face transformers 5. Merging an adapter that trained the head writes such files.</summary>
internal static class TiedTables
{
    private const int Piece = 1 << 20;

    /// <summary>Whether the file has both tables, with different values.</summary>
    public static bool Differ(WeightEntry? embedding, WeightEntry? head) => embedding is not null && head is not null
        && !embedding.IsCopyOf(head) && !HaveSameValues(embedding, head);

    /// <summary>Compares values, because tables of two dtypes, or zeros of two signs, differ in bytes only.</summary>
    private static bool HaveSameValues(WeightEntry a, WeightEntry b)
    {
        if (!a.Shape.AsSpan().SequenceEqual(b.Shape) || SizeOf(a) is not { } sizeA || SizeOf(b) is not { } sizeB)
        {
            return false;
        }
        long count = a.Length / sizeA;
        for (long at = 0; at < count; at += Piece)
        {
            int length = (int)Math.Min(Piece, count - at);
            var left = a.Span(at * sizeA, length * sizeA);
            var right = b.Span(at * sizeB, length * sizeB);
            for (int i = 0; i < length; i++)
            {
                if (ValueOf(a.ElementType, left[(i * sizeA)..]) != ValueOf(b.ElementType, right[(i * sizeB)..]))
                {
                    return false;
                }
            }
        }
        return true;
    }

    private static int? SizeOf(WeightEntry entry) => entry.ElementType switch
    {
        "F32" => 4,
        "BF16" or "F16" => 2,
        _ => null,
    };

    private static float ValueOf(string dtype, ReadOnlySpan<byte> bytes) => dtype switch
    {
        "F32" => System.Buffers.Binary.BinaryPrimitives.ReadSingleLittleEndian(bytes),
        "F16" => (float)System.Buffers.Binary.BinaryPrimitives.ReadHalfLittleEndian(bytes),
        _ => BitConverter.UInt32BitsToSingle((uint)System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16),
    };
}

using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>A head that the configuration ties to the embedding while the file holds a table for each. Equal ones are one table; different
/// ones are two, whatever the configuration says, as in Hugging Face transformers 5: such files come from merging an adapter that trained
/// the head.</summary>
internal static class TiedTables
{
    private const int Piece = 1 << 20;

    /// <summary>Whether both tables are in the file with different values.</summary>
    public static bool Differ(WeightEntry? embedding, WeightEntry? head) => embedding is not null && head is not null
        && !embedding.IsCopyOf(head) && !HaveSameValues(embedding, head);

    /// <summary>Tables of two dtypes, and zeros of two signs, may have the same values with different bytes.</summary>
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
                if (ValueOf(a.DType, left[(i * sizeA)..]) != ValueOf(b.DType, right[(i * sizeB)..]))
                {
                    return false;
                }
            }
        }
        return true;
    }

    private static int? SizeOf(WeightEntry entry) => entry.DType switch
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

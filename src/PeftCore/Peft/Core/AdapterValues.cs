using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Checks and reads values of an adapter's file. Adapters may be F64, which is rounded to F32; base weights may not.</summary>
internal static class AdapterValues
{
    private const int Piece = 1 << 16;

    /// <summary>Checks shape and dtype, and that F64 values are within the range of F32.</summary>
    public static void Check(WeightEntry entry, Shape expected)
    {
        if (entry.DType != "F64")
        {
            WeightReader.Check(entry, expected);
            return;
        }
        WeightReader.CheckShape(entry, expected);
        foreach (double[] values in Doubles(entry))
        {
            if (Array.Find(values, value => double.IsFinite(value) && !float.IsFinite((float)value)) is not 0 and var large)
            {
                throw entry.Error(FormattableString.Invariant($"holds {large:R}, which F32 cannot hold; adapters are F32 here"));
            }
        }
    }

    /// <summary>Checks a stored tensor and copies it into a tensor of any float dtype.</summary>
    public static void Read(WeightEntry entry, Tensor value)
    {
        Check(entry, value.Shape);
        PieceReader.Read(entry, value);
    }

    /// <summary>Whether no value is NaN or infinite; true for integers.</summary>
    public static bool AreFinite(WeightEntry entry) => entry.DType switch
    {
        "F64" => Doubles(entry).All(values => Array.TrueForAll(values, double.IsFinite)),
        "F32" => All<float>(entry, float.IsFinite),
        "F16" => All<Half>(entry, Half.IsFinite),
        "BF16" => All<ushort>(entry, bits => (bits & 0x7F80) != 0x7F80),
        _ => true,
    };

    /// <summary>Whether two stored tensors have the same dtype, shape and bytes.</summary>
    public static bool AreAlike(WeightEntry a, WeightEntry b)
    {
        if (a.DType != b.DType || !a.Shape.AsSpan().SequenceEqual(b.Shape))
        {
            return false;
        }
        bool same = true;
        for (long at = 0; same && at < a.Length; at += Piece)
        {
            int count = (int)Math.Min(Piece, a.Length - at);
            same = a.Span(at, count).SequenceEqual(b.Span(at, count));
        }
        return same;
    }

    /// <summary>Whether a stored tensor, rounded to the dtype of one in memory, equals it.</summary>
    public static bool Equals(WeightEntry entry, Tensor value)
    {
        if (entry.Shape.Length != value.Shape.Rank || entry.Shape[0] != value.Shape[0] || entry.Shape[^1] != value.Shape.Columns)
        {
            return false;
        }
        Check(entry, value.Shape);
        using var reader = new PieceReader(entry, value);
        using var scope = new TensorScope();
        var stored = value.NewLike([(int)Math.Min(PieceReader.Elements, value.Count)], value.DType, MemoryKind.Workspace);
        foreach (var (first, piece) in value.Chunks(PieceReader.Elements))
        {
            using var copy = stored.Unscoped(piece.Shape);
            reader.Read(first, copy);
            if (!copy.HasSameBytes(piece))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Whether two stored matrices of one dtype are transposes of each other.</summary>
    public static bool AreTransposed(WeightEntry a, WeightEntry b)
    {
        if (a.DType != b.DType || a.Shape is not [var rows, var columns] || b.Shape is not [var height, var width] || rows != width
            || columns != height || a.Length == 0)
        {
            return false;
        }
        int size = (int)(a.Length / (rows * columns));
        for (long row = 0; row < rows; row++)
        {
            for (long column = 0; column < columns; column++)
            {
                if (!a.Span((row * columns + column) * size, size).SequenceEqual(b.Span((column * rows + row) * size, size)))
                {
                    return false;
                }
            }
        }
        return true;
    }

    private static bool All<T>(WeightEntry entry, Predicate<T> holds) where T : unmanaged
    {
        bool all = true;
        for (long at = 0; all && at < entry.Length; at += Piece)
        {
            all = Array.TrueForAll(MemoryMarshal.Cast<byte, T>(entry.Span(at, (int)Math.Min(Piece, entry.Length - at))).ToArray(), holds);
        }
        return all;
    }

    private static IEnumerable<double[]> Doubles(WeightEntry entry)
    {
        for (long at = 0; at < entry.Length; at += Piece)
        {
            yield return MemoryMarshal.Cast<byte, double>(entry.Span(at, (int)Math.Min(Piece, entry.Length - at))).ToArray();
        }
    }
}

using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Checks of the tensors of a quantised weight, and their transfer to and from the memory of one.</summary>
internal static class StoredParts
{
    private const int Piece = 1 << 24;

    /// <summary>Checks dtype and number of elements of a tensor with one axis.</summary>
    public static WeightEntry Vector(WeightEntry entry, string dtype, long count)
    {
        if (entry.DType != dtype || entry.Shape is not [var length] || length != count)
        {
            throw entry.Error($"is {entry.DType} ({string.Join(", ", entry.Shape)}), expected {dtype} ({count})");
        }
        return entry;
    }

    /// <summary>Checks dtype and shape of a matrix.</summary>
    public static WeightEntry Matrix(WeightEntry entry, string dtype, long rows, long columns)
    {
        if (entry.DType != dtype || entry.Shape is not [var r, var c] || r != rows || c != columns)
        {
            throw entry.Error($"is {entry.DType} ({string.Join(", ", entry.Shape)}), expected {dtype} ({rows}, {columns})");
        }
        return entry;
    }

    /// <summary>Checks that F32 scales are finite numbers.</summary>
    public static void Finite(WeightEntry entry)
    {
        for (long at = 0; at < entry.Length; at += Piece)
        {
            var scales = MemoryMarshal.Cast<byte, float>(entry.Span(at, (int)Math.Min(Piece, entry.Length - at)));
            for (int i = 0; i < scales.Length; i++)
            {
                if (!float.IsFinite(scales[i]))
                {
                    throw entry.Error($"has {scales[i]} as its scale {at / sizeof(float) + i}, expected finite numbers");
                }
            }
        }
    }

    /// <summary>Checks that a map of codes to numbers is the standard one.</summary>
    public static void Map(WeightEntry entry, ReadOnlySpan<float> standard)
    {
        float[] map = Vector(entry, "F32", standard.Length).ToArray<float>();
        for (int i = 0; i < map.Length; i++)
        {
            if (map[i] != standard[i])
            {
                throw entry.Error(FormattableString.Invariant(
                    $"has {map[i]:R} for code {i}, but the standard map has {standard[i]:R}; other maps are not supported"));
            }
        }
    }

    /// <summary>Copies a tensor of a file to a part of a quantised weight.</summary>
    public static void Upload(WeightEntry entry, Tensor value, long first)
    {
        for (long at = 0; at < entry.Length; at += Piece)
        {
            int count = (int)Math.Min(Piece, entry.Length - at);
            entry.Prefetch(at + count, Piece);
            Upload(entry.Span(at, count), value, first + at);
            entry.Release(at, count);
        }
    }

    /// <summary>Copies bytes to a part of a quantised weight.</summary>
    public static void Upload(ReadOnlySpan<byte> bytes, Tensor value, long first)
    {
        using var part = value.PartOf(first, [bytes.Length], DType.U8);
        part.Backend.Upload(bytes, part);
    }

    /// <summary>A part of a quantised weight as a tensor of a file.</summary>
    public static SafetensorsTensor ToFile(string name, string dtype, long[] shape, Tensor value, long first)
    {
        SafetensorsDType.TryGetSize(dtype, out int size);
        SafetensorsDType.TryGetByteLength(shape, size, out long length);
        return new SafetensorsTensor(name, dtype, shape, stream =>
        {
            for (long at = 0; at < length; at += Piece)
            {
                using var part = value.PartOf(first + at, [(int)Math.Min(Piece, length - at)], DType.U8);
                part.WriteTo(stream);
            }
        });
    }
}

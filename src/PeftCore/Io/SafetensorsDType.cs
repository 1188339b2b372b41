namespace PeftCore.Io;

/// <summary>The element types of the safetensors format: their sizes, and their order in Hugging Face's files.</summary>
internal static class SafetensorsDType
{
    // In the order of the reference implementation, by growing alignment. Files are written from the last to the first.
    // Types of less than a byte (F4, F6_E2M3, F6_E3M2) are left out: only quantised weights have them.
    private static readonly (string Name, int Size)[] Types =
    [
        ("BOOL", 1), ("U8", 1), ("I8", 1), ("F8_E5M2", 1), ("F8_E4M3", 1), ("F8_E8M0", 1), ("I16", 2), ("U16", 2), ("F16", 2), ("BF16", 2),
        ("I32", 4), ("U32", 4), ("F32", 4), ("C64", 8), ("F64", 8), ("I64", 8), ("U64", 8),
    ];

    /// <summary>The valid names, for error messages.</summary>
    internal static string Known => string.Join(", ", Types.Select(t => t.Name));

    /// <summary>Bytes of one element; false for a type that the format does not have.</summary>
    public static bool TryGetSize(string dtype, out int size)
    {
        int rank = Rank(dtype);
        size = rank < 0 ? 0 : Types[rank].Size;
        return rank >= 0;
    }

    /// <summary>Bytes of a tensor; false if an axis is negative or the count does not fit 63 bits.</summary>
    public static bool TryGetByteLength(ReadOnlySpan<long> shape, int elementSize, out long bytes)
    {
        bytes = 1;
        foreach (long axis in shape)
        {
            if (axis < 0 || !TryMultiply(ref bytes, axis))
            {
                return false;
            }
        }

        return TryMultiply(ref bytes, elementSize);
    }

    /// <summary>The index of a type in the layout order, or −1.</summary>
    internal static int Rank(string dtype)
    {
        for (int i = 0; i < Types.Length; i++)
        {
            if (Types[i].Name == dtype)
            {
                return i;
            }
        }

        return -1;
    }

    private static bool TryMultiply(ref long value, long factor)
    {
        var product = (Int128)value * factor;
        value = (long)product;
        return product <= long.MaxValue;
    }
}

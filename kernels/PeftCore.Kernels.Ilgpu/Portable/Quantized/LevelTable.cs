namespace PeftCore.Kernels.Ilgpu.Portable.Quantized;

/// <summary>The numbers that kernels of quantised weights read from device memory: for each kind of four-bit codes its levels, the bounds
/// between them and the codes in the order of their levels; then the dynamic map of quantised scales.</summary>
internal static class LevelTable
{
    /// <summary>Levels of four-bit codes.</summary>
    public const int Levels = 16;

    /// <summary>Where the bounds of a kind begin, and its codes in the order of their levels.</summary>
    public const int Bounds = Levels, Order = 2 * Levels;

    /// <summary>Floats of a kind.</summary>
    public const int KindSize = 3 * Levels;

    /// <summary>Where the dynamic map begins, and its size.</summary>
    public const int Map = 2 * KindSize, MapSize = 256;

    /// <summary>Floats of the table.</summary>
    public const int Size = Map + MapSize;

    /// <summary>Where a kind's numbers begin.</summary>
    public static int Of(QuantizedKind kind) => kind == QuantizedKind.NF4 ? 0 : KindSize;

    /// <summary>The table.</summary>
    public static float[] Make()
    {
        float[] table = new float[Size];
        foreach (var kind in (QuantizedKind[])[QuantizedKind.NF4, QuantizedKind.FP4])
        {
            var part = table.AsSpan(Of(kind), KindSize);
            FourBitLevels.Of(kind).CopyTo(part);
            FourBitLevels.Bounds(kind).CopyTo(part[Bounds..]);
            for (int i = 0; i < Levels; i++)
            {
                part[Order + i] = FourBitLevels.CodeAt(kind, i);
            }
        }
        DynamicMap.Signed.Values.CopyTo(table.AsSpan(Map));
        return table;
    }
}

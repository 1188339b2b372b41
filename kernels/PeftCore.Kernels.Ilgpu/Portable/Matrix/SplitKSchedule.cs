namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

/// <summary>The division of a portable GEMM among thread blocks: square tiles of the result, and split-K if the tiles alone would leave
/// multiprocessors idle. Partial sums are added up in order, so that results do not depend on timing.</summary>
/// <param name="TilesM">Rows of tiles.</param>
/// <param name="TilesN">Columns of tiles.</param>
/// <param name="Splits">Slices of K.</param>
/// <param name="KPerSplit">Length of a slice; a multiple of the panel depth.</param>
internal readonly record struct SplitKSchedule(int TilesM, int TilesN, int Splits, int KPerSplit)
{
    /// <summary>A shorter slice costs more to add up than it saves.</summary>
    private const int MinKPerSplit = 256;
    private const int MaxSplits = 64;

    public static SplitKSchedule For(int m, int n, int k, int tile, int depth, int processors)
    {
        int tilesM = Count(m, tile), tilesN = Count(n, tile);
        long tiles = (long)tilesM * tilesN;
        int wanted = tiles == 0 ? 1 : (int)Math.Min(MaxSplits, 2L * processors / tiles);
        int splits = Math.Clamp(Math.Min(wanted, k / MinKPerSplit), 1, MaxSplits);
        int length = Math.Max(depth, Count(Count(k, splits), depth) * depth);
        return new SplitKSchedule(tilesM, tilesN, Math.Max(1, Count(k, length)), length);
    }

    /// <summary>Tiles that cover an extent: the quotient, rounded up.</summary>
    public static int Count(int extent, int tile) => (extent + tile - 1) / tile;
}

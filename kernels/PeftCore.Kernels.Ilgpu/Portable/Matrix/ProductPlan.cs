namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

/// <summary>How a matrix product is shared out over groups: square tiles of the result, and K in parts where the tiles alone would leave
/// processors idle. Parts are summed in order, so results do not depend on timing.</summary>
/// <param name="TilesM">Tiles down.</param>
/// <param name="TilesN">Tiles across.</param>
/// <param name="Parts">How many parts K is cut into.</param>
/// <param name="KPart">Length of a part; a multiple of the panel depth.</param>
internal readonly record struct ProductPlan(int TilesM, int TilesN, int Parts, int KPart)
{
    /// <summary>A part shorter than this costs more to add up than it gains.</summary>
    private const int ShortestPart = 256;
    private const int MostParts = 64;

    public static ProductPlan For(int m, int n, int k, int tile, int depth, int processors)
    {
        int tilesM = Count(m, tile), tilesN = Count(n, tile);
        long tiles = (long)tilesM * tilesN;
        int wanted = tiles == 0 ? 1 : (int)Math.Min(MostParts, 2L * processors / tiles);
        int parts = Math.Clamp(Math.Min(wanted, k / ShortestPart), 1, MostParts);
        int length = Math.Max(depth, Count(Count(k, parts), depth) * depth);
        return new ProductPlan(tilesM, tilesN, Math.Max(1, Count(k, length)), length);
    }

    public static int Count(int extent, int tile) => (extent + tile - 1) / tile;
}

using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>Whether and how a product of BF16 operands goes to the tensor cores.</summary>
/// <param name="TileN">Width of a tile.</param>
/// <param name="TilesM">Tiles down.</param>
/// <param name="TilesN">Tiles across.</param>
/// <param name="Parts">How many parts K is cut into.</param>
/// <param name="KPart">Length of a part.</param>
internal readonly record struct TensorPlan(int TileN, int TilesM, int TilesN, int Parts, int KPart)
{
    /// <summary>Elements of a 16-byte copy: rows of operands must start at a multiple of it.</summary>
    private const int Chunk = 8;

    private const int ShortestPart = 256;

    /// <summary>Null where rows of an operand do not start at multiples of 16 bytes, or those of the result at multiples of 8.</summary>
    public static TensorPlan? For(int m, int n, int k, bool transposeA, bool transposeB, int processors)
    {
        int rowA = transposeA ? m : k, rowB = transposeB ? k : n;
        if (k == 0 || rowA % Chunk != 0 || rowB % Chunk != 0 || n % 2 != 0)
        {
            return null;
        }
        int tilesM = ProductPlan.Count(m, WgmmaPtx.TileM), wide = ProductPlan.Count(n, 256);
        // A tile twice as wide needs three quarters of the traffic, but half as many of them may leave processors idle.
        int tileN = n > 128 && (long)tilesM * wide * 4 >= 3L * processors ? 256 : 128;
        int tilesN = ProductPlan.Count(n, tileN);
        long tiles = (long)tilesM * tilesN;
        int parts = Math.Max(1, (int)Math.Min(processors / tiles, k / ShortestPart));
        int length = ProductPlan.Count(ProductPlan.Count(k, parts), WgmmaPtx.Depth) * WgmmaPtx.Depth;
        return new TensorPlan(tileN, tilesM, tilesN, ProductPlan.Count(k, length), length);
    }
}

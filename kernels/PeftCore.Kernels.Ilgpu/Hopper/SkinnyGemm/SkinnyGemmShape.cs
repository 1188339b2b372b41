using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>What the code of a pass over a tall matrix is specialised for: a thread block of eight warps, each with 64 columns of 16 rows
/// at a time.</summary>
/// <param name="Tiles">Skinny columns it multiplies with, in tiles of 16.</param>
/// <param name="Right">The matrix is multiplied with skinny ones from the right: a sum over its columns for each row.</param>
/// <param name="Left">The matrix is multiplied with skinny ones from the left: a sum over its rows for each column.</param>
/// <param name="WarpColumns">Warps along a row of the tile: 1, 2, 4 or 8. The others take the rows below.</param>
internal readonly record struct SkinnyGemmShape(int Tiles, bool Right, bool Left, int WarpColumns)
{
    public const int Threads = 256, Warps = Threads / 32;

    /// <summary>Rows and columns of a warp's part of a step; a row is 128 bytes.</summary>
    public const int Rows = 16, Columns = 64;

    /// <summary>Skinny columns of a tile.</summary>
    public const int TileR = 16;

    public const int MostTiles = 4;

    /// <summary>Bytes of a warp's rows, and of one tile of the 16 skinny rows that they are multiplied with.</summary>
    public const int WarpTileBytes = Rows * Columns * 2, LeftBytes = Rows * TileR * 2;

    private const int MostStages = 6, Alignment = 1024, RightBytes = Columns * TileR * 2;

    /// <summary>Warps along a column of the tile.</summary>
    public int WarpRows => Warps / WarpColumns;

    /// <summary>Bytes that a warp reads for one step.</summary>
    public int StageBytes => WarpTileBytes + (Left ? Tiles * LeftBytes : 0);

    /// <summary>Steps in flight: as many as there is room for.</summary>
    public int Stages => Math.Min(MostStages, (GemmShape.MostShared - Alignment - AfterStages) / (Warps * StageBytes));

    /// <summary>Where the skinny matrices on the right lie, and where warps leave a step's sums over columns to be added up: two buffers by
    /// turns. Sums over rows are added up at the start of the memory, when all else has been read.</summary>
    public int RightAt => Stages * Warps * StageBytes;

    public int ReductionAt => RightAt + (Right ? Warps * Tiles * RightBytes : 0);

    /// <summary>Bytes of one turn's sums over columns.</summary>
    public int ReductionBytes => Right ? Warps * Rows * Tiles * TileR * sizeof(float) : 0;

    public int SharedBytes =>
        Alignment + Math.Max(ReductionAt + (2 * ReductionBytes), Left ? Warps * Columns * Tiles * TileR * sizeof(float) : 0);

    private int AfterStages => (Right ? Warps * Tiles * RightBytes : 0) + (2 * ReductionBytes);
}

using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>The constants that <see cref="SkinnyGemmPtx"/> writes into a kernel. A thread block has eight warps; in each step a warp takes
/// 16 rows × 64 columns.</summary>
/// <param name="Tiles">Tiles of 16 skinny columns.</param>
/// <param name="Right">Whether right products X·R are computed: sums over the columns.</param>
/// <param name="Left">Whether left products Lᵀ·X are computed: sums over the rows.</param>
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

    /// <summary>Steps in flight: as many as fit the shared memory.</summary>
    public int Stages => Math.Min(MostStages, (GemmShape.MostShared - Alignment - AfterStages) / (Warps * StageBytes));

    /// <summary>Offset of the panels of R in shared memory.</summary>
    public int RightAt => Stages * Warps * StageBytes;

    /// <summary>Offset of two buffers, used in turn, through which warps add up a step's right products. Left products are added up at
    /// offset 0, once everything else has been read.</summary>
    public int ReductionAt => RightAt + (Right ? Warps * Tiles * RightBytes : 0);

    /// <summary>Bytes of one such buffer.</summary>
    public int ReductionBytes => Right ? Warps * Rows * Tiles * TileR * sizeof(float) : 0;

    public int SharedBytes =>
        Alignment + Math.Max(ReductionAt + (2 * ReductionBytes), Left ? Warps * Columns * Tiles * TileR * sizeof(float) : 0);

    private int AfterStages => (Right ? Warps * Tiles * RightBytes : 0) + (2 * ReductionBytes);
}

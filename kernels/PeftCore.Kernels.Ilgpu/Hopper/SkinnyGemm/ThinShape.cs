using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>What the code of a pass over a tall matrix is specialised for: a group of eight warps, each with 64 columns of 16 rows at a time.</summary>
/// <param name="Tiles">Thin columns it multiplies with, in tiles of 16.</param>
/// <param name="Right">The matrix is multiplied with thin ones from the right: a sum over its columns for each row.</param>
/// <param name="Left">The matrix is multiplied with thin ones from the left: a sum over its rows for each column.</param>
/// <param name="Across">Warps beside each other: 1, 2, 4 or 8. The others take the rows below.</param>
internal readonly record struct ThinShape(int Tiles, bool Right, bool Left, int Across)
{
    public const int Threads = 256, Warps = Threads / 32;

    /// <summary>Rows and columns of a warp's part of a step; a row is 128 bytes.</summary>
    public const int Rows = 16, Columns = 64;

    /// <summary>Thin columns of a tile.</summary>
    public const int TileR = 16;

    public const int MostTiles = 4;

    /// <summary>Bytes of a warp's rows, and of one tile of the 16 thin rows that they meet.</summary>
    public const int BlockBytes = Rows * Columns * 2, LeftBytes = Rows * TileR * 2;

    private const int MostStages = 6, Alignment = 1024, RightBytes = Columns * TileR * 2;

    public int Down => Warps / Across;

    /// <summary>Bytes that a warp reads for one step.</summary>
    public int StageBytes => BlockBytes + (Left ? Tiles * LeftBytes : 0);

    /// <summary>Steps in flight: as many as there is room for.</summary>
    public int Stages => Math.Min(MostStages, (ProductShape.MostShared - Alignment - AfterStages) / (Warps * StageBytes));

    /// <summary>Where the thin matrices on the right lie, and where a step's sums over columns meet: twice, by turns. Sums over rows meet at the start, when
    /// all else has been read.</summary>
    public int RightAt => Stages * Warps * StageBytes;

    public int MeetAt => RightAt + (Right ? Warps * Tiles * RightBytes : 0);

    /// <summary>Bytes of one turn's sums over columns.</summary>
    public int MeetBytes => Right ? Warps * Rows * Tiles * TileR * sizeof(float) : 0;

    public int SharedBytes => Alignment + Math.Max(MeetAt + (2 * MeetBytes), Left ? Warps * Columns * Tiles * TileR * sizeof(float) : 0);

    private int AfterStages => (Right ? Warps * Tiles * RightBytes : 0) + (2 * MeetBytes);
}

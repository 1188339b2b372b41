namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>The constants that <see cref="GemmPtx"/> writes into the kernel of a product on Hopper.</summary>
/// <param name="TileN">Width of a tile: a multiple of 16 up to 256.</param>
/// <param name="Cluster">Thread blocks that share one panel of B, each with its own rows of A: 1 or 2.</param>
/// <param name="SplitK">Thread blocks that share a tile, each with its own slice of K: 1, or a cluster of 2 or 4 with one tile.</param>
/// <param name="TransposeA">A is stored (K, M).</param>
/// <param name="RowMajorB">B is stored (K, N), row-major: N is contiguous. Otherwise it is column-major.</param>
/// <param name="Bf16Result">The result is BF16 rather than F32.</param>
/// <param name="Store">The way in which the result is written.</param>
internal readonly record struct GemmShape(int TileN, int Cluster, int SplitK, bool TransposeA, bool RowMajorB, bool Bf16Result,
    ResultStore Store)
{
    /// <summary>The rows of A are patches of a convolution's input, which the copy engine gathers.</summary>
    public bool GathersPatches { get; init; }

    /// <summary>Rows of a tile: two warpgroups of 64.</summary>
    public const int TileM = 128;

    /// <summary>Depth of a stage along K: 128 bytes of BF16.</summary>
    public const int Depth = 64;

    /// <summary>Two consumer warpgroups and one whose first thread is the producer.</summary>
    public const int Threads = 384;

    /// <summary>Bytes of a swizzled block, 64 rows of 128 bytes: half of A's part of a stage, 64 columns of an operand whose K is not
    /// contiguous, or 64 columns of a warpgroup's results.</summary>
    public const int SwizzleBlockBytes = 64 * Depth * 2;

    /// <summary>Maximum dynamic shared memory of a thread block on compute capability 9.0.</summary>
    public const int MostShared = 227 * 1024;

    private const int MostStages = 8;
    private const int Alignment = 1024;      // of swizzled blocks
    private const int BarrierBytes = 16 * MostStages;

    /// <summary>Bytes of A's part of a stage.</summary>
    public static int BytesA => 2 * SwizzleBlockBytes;

    /// <summary>Thread blocks that are launched as one cluster.</summary>
    public int BlocksPerCluster => Cluster * SplitK;

    /// <summary>Columns of B that one thread block loads for both of its cluster.</summary>
    public int ShareN => TileN / Cluster;

    /// <summary>Bytes of B's part of a stage; whole swizzled blocks where N is contiguous.</summary>
    public int BytesB => RowMajorB ? (TileN + 63) / 64 * SwizzleBlockBytes : TileN * Depth * 2;

    /// <summary>Bytes of one stage.</summary>
    public int StageBytes => BytesA + BytesB;

    /// <summary>Bytes from which the copy engine writes results: two blocks a warpgroup.</summary>
    public int ResultBytes => Store == ResultStore.Copied ? 4 * SwizzleBlockBytes : 0;

    /// <summary>Stages in flight: as many as fit the shared memory.</summary>
    public int Stages => Math.Min(MostStages, (MostShared - Alignment - BarrierBytes - ResultBytes) / StageBytes);

    /// <summary>Dynamic shared memory of a thread block.</summary>
    public int SharedBytes => Alignment + (Stages * StageBytes) + ResultBytes + BarrierBytes;

    /// <summary>Offset of the barriers: one for each full stage, then one for each empty one.</summary>
    public int BarriersAt => (Stages * StageBytes) + ResultBytes;

    /// <summary>Rows and columns, the contiguous axis last, of the box of A that one copy reads.</summary>
    public (int Rows, int Columns) BoxA => TransposeA ? (Depth, 64) : (TileM, Depth);

    /// <summary>Rows and columns, the contiguous axis last, of the box of B that one copy reads.</summary>
    public (int Rows, int Columns) BoxB => RowMajorB ? (Depth, 64) : (ShareN, Depth);
}

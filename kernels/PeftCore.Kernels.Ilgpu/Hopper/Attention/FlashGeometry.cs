namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>
/// Tiles of one of Hopper's attention kernels and their offsets in shared memory. A thread block keeps a tile of tokens (queries, or keys
/// for their gradient) and walks the tiles of the other kind; one warpgroup copies, the others compute, each 64 of the rows that stay.
/// </summary>
internal struct FlashGeometry
{
    /// <summary>Head dimension.</summary>
    public int Dim;

    /// <summary>Warpgroups that compute, each 64 rows.</summary>
    public int Warpgroups;

    /// <summary>Rows of a tile that passes.</summary>
    public int Columns;

    /// <summary>Tiles in flight.</summary>
    public int Stages;

    /// <summary>Operands that stay: one forward (q), two backward (q and dO, or k and v).</summary>
    public int Kept;

    /// <summary>Sets of them in shared memory: with two, the next tile's arrive while this one's are in use.</summary>
    public int Sets;

    /// <summary>Numbers kept of every passing row: its range, log-sum-exp and delta for the keys' gradient.</summary>
    public int RowStats;

    /// <summary>1 where warpgroups take turns with their products, so that the tensor cores have one's to do while another works on its
    /// scores.</summary>
    public int Turns;

    /// <summary>Rows a warpgroup computes.</summary>
    public const int WarpgroupRows = 64;

    /// <summary>Numbers of the barriers: full and empty ones of the kept sets, then those of the stages of both passing operands.</summary>
    public const int SetFull = 0, SetEmpty = 2, FirstFull = 4, FirstEmpty = 8, SecondFull = 12, SecondEmpty = 16;

    private const int BarrierBytes = 1024;

    /// <summary>The widest head whose key and value gradients fit the registers together.</summary>
    public const int WidestTogether = 128;

    /// <summary>The head dimensions that kernels are made for.</summary>
    public static readonly int[] Dims = [32, 64, 80, 96, 128, 256];

    /// <summary>The least of these that holds a head; 0 if none does. Columns that a head does not have read as zeros and are not
    /// written.</summary>
    public static int DimFor(int headDim) => Array.Find(Dims, dim => dim >= headDim);

    public static FlashGeometry Forward(int dim)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets, g.Turns) = (dim, 1, dim <= 128 ? 2 : 1, 1);
        (g.Warpgroups, g.Columns, g.Stages) = dim <= 32 ? (3, 128, 4) : dim <= 64 ? (3, 96, 4) : dim <= 80 ? (3, 96, 2) : dim <= 96
            ? (3, 80, 3) : dim <= 128 ? (2, 128, 2) : (2, 80, 2);
        return g;
    }

    public static FlashGeometry QueryGradient(int dim)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets) = (dim, 2, dim <= 128 ? 2 : 1);
        (g.Warpgroups, g.Columns, g.Stages, g.Turns) = dim <= 64 ? (3, 64, 4, 0) : dim <= 128 ? (2, 64, 3, 1) : (2, 48, 2, 1);
        return g;
    }

    public static FlashGeometry KeyGradient(int dim)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets, g.Warpgroups, g.RowStats) = (dim, 2, dim <= 128 ? 2 : 1, 2, 4);
        (g.Columns, g.Stages) = dim <= 64 ? (128, 3) : dim <= 128 ? (64, 2) : (32, 2);
        return g;
    }

    /// <summary>The gradient of the values alone, for heads wider than <see cref="WidestTogether"/>: values themselves play no part in
    /// it.</summary>
    public static FlashGeometry ValueGradient(int dim)
    {
        var g = KeyGradient(dim);
        (g.Kept, g.Columns) = (1, 64);
        return g;
    }

    /// <summary>Rows of a tile that stays.</summary>
    public readonly int Rows => Warpgroups * WarpgroupRows;

    public readonly int Threads => (Warpgroups + 1) * 128;

    /// <summary>Registers a thread has left to copy, and to compute: 65536 in all.</summary>
    public readonly int CopyRegisters => RowStats > 0 ? 56 : Warpgroups == 3 ? 32 : 40;

    public readonly int ComputeRegisters => RowStats > 0 ? 224 : Warpgroups == 3 ? 160 : 232;

    public readonly int KeptBytes => Rows * Width * 2;

    public readonly int PassingBytes => Columns * Width * 2;

    /// <summary>Columns of a head's panels, of 64 each, in shared memory.</summary>
    private readonly int Width => (Dim + 63) / 64 * 64;

    public readonly int RowStatBytes => Columns * RowStats * 4;

    public readonly int KeptAt(int set, int operand) => BarrierBytes + (((set * Kept) + operand) * KeptBytes);

    public readonly int PassingAt(int stage, int operand) => KeptAt(Sets, 0) + (((stage * 2) + operand) * PassingBytes);

    public readonly int RowStatsAt(int stage) => PassingAt(Stages, 0) + (stage * RowStatBytes);

    /// <summary>Dynamic shared memory, with room to align.</summary>
    public readonly int SharedBytes => RowStatsAt(Stages) + 1024;
}

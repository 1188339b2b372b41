namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>
/// The tiles of one of Hopper's attention kernels and their offsets in shared memory. A thread block keeps a tile of tokens (queries, or
/// keys for their gradient) and iterates over the tiles of the other kind; one warpgroup copies, the others compute, each for 64 kept rows.
/// </summary>
internal struct FlashGeometry
{
    /// <summary>Head dimension.</summary>
    public int Dim;

    /// <summary>Warpgroups that compute, each 64 kept rows.</summary>
    public int Warpgroups;

    /// <summary>Rows of a streamed tile, which are the columns of the scores.</summary>
    public int Columns;

    /// <summary>Tiles in flight.</summary>
    public int Stages;

    /// <summary>Kept operands: one in the forward pass (q), two in the backward pass (q and dO, or k and v).</summary>
    public int Kept;

    /// <summary>Sets of kept operands in shared memory: with two, those of the next tile are copied while the current ones are in
    /// use.</summary>
    public int Sets;

    /// <summary>Numbers stored for each streamed row: for the keys' gradient its range (two), log-sum-exp and delta; otherwise
    /// none.</summary>
    public int RowStats;

    /// <summary>1 where warpgroups alternate on the tensor cores, so that the products of one overlap the softmax of another.</summary>
    public int SchedulerBarrier;

    /// <summary>Rows a warpgroup computes.</summary>
    public const int WarpgroupRows = 64;

    /// <summary>Numbers of the barriers: full and empty ones of the kept sets, then of the stages of both streamed operands.</summary>
    public const int SetFull = 0, SetEmpty = 2, FirstFull = 4, FirstEmpty = 8, SecondFull = 12, SecondEmpty = 16;

    private const int BarrierBytes = 1024;

    /// <summary>The widest head whose key and value gradients fit the registers together.</summary>
    public const int MaxFusedDim = 128;

    /// <summary>The head dimensions with kernels.</summary>
    public static readonly int[] Dims = [32, 64, 80, 96, 128, 256];

    /// <summary>The smallest of these dimensions that is at least that of a head; 0 if there is none. Columns beyond the head read as zeros
    /// and are not written.</summary>
    public static int DimFor(int headDim) => Array.Find(Dims, dim => dim >= headDim);

    public static FlashGeometry Forward(int dim)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets, g.SchedulerBarrier) = (dim, 1, dim <= 128 ? 2 : 1, 1);
        (g.Warpgroups, g.Columns, g.Stages) = dim <= 32 ? (3, 128, 4) : dim <= 64 ? (3, 96, 4) : dim <= 80 ? (3, 96, 2) : dim <= 96
            ? (3, 80, 3) : dim <= 128 ? (2, 128, 2) : (2, 80, 2);
        return g;
    }

    public static FlashGeometry QueryGradient(int dim)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets) = (dim, 2, dim <= 128 ? 2 : 1);
        (g.Warpgroups, g.Columns, g.Stages, g.SchedulerBarrier) = dim <= 64 ? (3, 64, 4, 0) : dim <= 128 ? (2, 64, 3, 1) : (2, 48, 2, 1);
        return g;
    }

    /// <summary>Tiles for the gradients of keys and values. With terms (<see cref="WithTerms"/>) they are narrower, to leave registers for
    /// biases and masks.</summary>
    public static FlashGeometry KeyGradient(int dim, bool terms = false)
    {
        FlashGeometry g = default;
        (g.Dim, g.Kept, g.Sets, g.Warpgroups, g.RowStats) = (dim, 2, dim <= 128 ? 2 : 1, 2, 4);
        (g.Columns, g.Stages) = dim <= 64 ? (terms ? 64 : 128, 3) : dim <= 128 ? (terms ? 32 : 64, 2) : (32, 2);
        return g;
    }

    /// <summary>Tiles for the gradient of the values alone, for heads wider than <see cref="MaxFusedDim"/>. It does not need the values,
    /// so that the keys are the one kept operand.</summary>
    public static FlashGeometry ValueGradient(int dim)
    {
        var g = KeyGradient(dim);
        (g.Kept, g.Columns) = (1, 64);
        return g;
    }

    /// <summary>Rows of a kept tile.</summary>
    public readonly int Rows => Warpgroups * WarpgroupRows;

    public readonly int Threads => (Warpgroups + 1) * 128;

    /// <summary>Registers of a thread that copies; with those of <see cref="ComputeRegisters"/> at most 65536 in a processor.</summary>
    public readonly int CopyRegisters => RowStats > 0 ? 56 : Warpgroups == 3 ? 32 : 40;

    public readonly int ComputeRegisters => RowStats > 0 ? 224 : Warpgroups == 3 ? 160 : 232;

    public readonly int KeptBytes => Rows * Width * 2;

    public readonly int PassingBytes => Columns * Width * 2;

    /// <summary>Columns that a head takes in shared memory: whole panels of 64.</summary>
    private readonly int Width => (Dim + 63) / 64 * 64;

    public readonly int RowStatBytes => Columns * RowStats * 4;

    public readonly int KeptAt(int set, int operand) => BarrierBytes + (((set * Kept) + operand) * KeptBytes);

    public readonly int PassingAt(int stage, int operand) => KeptAt(Sets, 0) + (((stage * 2) + operand) * PassingBytes);

    public readonly int RowStatsAt(int stage) => PassingAt(Stages, 0) + (stage * RowStatBytes);

    /// <summary>Dynamic shared memory, with 1024 bytes for alignment.</summary>
    public readonly int SharedBytes => RowStatsAt(Stages) + 1024;
}

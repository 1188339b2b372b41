using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>A product of BF16 matrices. Addresses are plain numbers: this kernel is not launched by ILGPU.</summary>
internal struct MmaArgs
{
    public long A, B, C;

    /// <summary>Bytes from one row of an operand or of the result to the next, as it is stored.</summary>
    public long StrideA, StrideB, StrideC;

    public int M, N, K, TilesM, TilesN, Accumulate, ElementBytes;

    /// <summary>Length of the part of K that one group sums; part s of the result starts M·StrideC·s behind C.</summary>
    public int KPart;
    public float Alpha;
}

/// <summary>Which way the rows of the operands lie, for the loads.</summary>
internal interface IMmaLayout
{
    /// <summary>A is stored (K, M).</summary>
    static abstract bool TransposeA { get; }

    /// <summary>B is stored (K, N), so that N is contiguous.</summary>
    static abstract bool AcrossB { get; }
}

internal readonly struct MmaAlong : IMmaLayout
{
    public static bool TransposeA => false;

    public static bool AcrossB => false;
}

internal readonly struct MmaAcrossB : IMmaLayout
{
    public static bool TransposeA => false;

    public static bool AcrossB => true;
}

internal readonly struct MmaTransposedA : IMmaLayout
{
    public static bool TransposeA => true;

    public static bool AcrossB => false;
}

internal readonly struct MmaTransposedAAcrossB : IMmaLayout
{
    public static bool TransposeA => true;

    public static bool AcrossB => true;
}

/// <summary>C = α·op(A)·op(B) (+ C) on the tensor cores of compute capability 8.0 and later: four warps, each a square of 64 of a tile of 128; operands
/// come through three stages of shared memory by cp.async, two stages ahead.</summary>
internal readonly struct MmaProduct<TLayout> : IKernel<MmaArgs> where TLayout : struct, IMmaLayout
{
    public static void Run(MmaArgs args)
    {
        CudaAsm.Emit("peft.begin;");
        int t = Group.IdxX;
        // Tiles are walked in bands eight high, whose operands stay in the L2 cache.
        int band = 8 * args.TilesN, first = Grid.IdxX / band * 8, inBand = Grid.IdxX % band;
        int height = args.TilesM - first < 8 ? args.TilesM - first : 8;
        int row = (first + (inBand % height)) * MmaShape.Tile, column = inBand / height * MmaShape.Tile;
        int start = Grid.IdxY * args.KPart, end = start + args.KPart < args.K ? start + args.KPart : args.K;

        Load(args, row, column, start, end, 0);
        CudaAsm.Emit("cp.async.commit_group;");
        Load(args, row, column, start + MmaShape.Depth, end, 2 * MmaShape.OperandBytes);
        CudaAsm.Emit("cp.async.commit_group;");
        int stage = 0, next = 4 * MmaShape.OperandBytes;
        for (int k = start; k < end; k += MmaShape.Depth)
        {
            CudaAsm.Emit("cp.async.wait_group 1;");
            Group.Barrier();
            // Behind the barrier: every warp has read what this overwrites.
            if (k + (2 * MmaShape.Depth) < end)
            {
                Load(args, row, column, k + (2 * MmaShape.Depth), end, next);
            }

            CudaAsm.Emit("cp.async.commit_group;");
            CudaAsm.Emit("peft.multiply %0;", stage);
            stage = stage == 4 * MmaShape.OperandBytes ? 0 : stage + (2 * MmaShape.OperandBytes);
            next = next == 4 * MmaShape.OperandBytes ? 0 : next + (2 * MmaShape.OperandBytes);
        }

        int lane = t % 32, i = row + (t / 64 * 64) + (lane / 4), j = column + (t / 32 % 2 * 64) + (lane % 4 * 2);
        long place = args.C + ((((long)Grid.IdxY * args.M) + i) * args.StrideC) + ((long)j * args.ElementBytes);
        CudaAsm.Emit("peft.store %0, %1, %2, %3, %4, %5, %6;", place, args.M - i, args.N - j, 8 * args.StrideC, args.ElementBytes, args.Alpha, args.Accumulate);
    }

    private static void Load(MmaArgs args, int row, int column, int k, int end, int stage)
    {
        int t = Group.IdxX;
        if (TLayout.TransposeA)
        {
            CudaAsm.Emit("peft.tile.a %0, %1, %2, %3, %4;", stage + SharedAcross(t), GlobalAcross(args.A, args.StrideA, t, k, row),
                RowsAcross(t, k, end, row, args.M), 8 * args.StrideA, args.A);
        }
        else
        {
            CudaAsm.Emit("peft.tile.a %0, %1, %2, %3, %4;", stage + SharedAlong(t), GlobalAlong(args.A, args.StrideA, t, k, row),
                RowsAlong(t, k, end, row, args.M), 16 * args.StrideA, args.A);
        }

        stage += MmaShape.OperandBytes;
        if (TLayout.AcrossB)
        {
            CudaAsm.Emit("peft.tile.b %0, %1, %2, %3, %4;", stage + SharedAcross(t), GlobalAcross(args.B, args.StrideB, t, k, column),
                RowsAcross(t, k, end, column, args.N), 8 * args.StrideB, args.B);
        }
        else
        {
            CudaAsm.Emit("peft.tile.b %0, %1, %2, %3, %4;", stage + SharedAlong(t), GlobalAlong(args.B, args.StrideB, t, k, column),
                RowsAlong(t, k, end, column, args.N), 16 * args.StrideB, args.B);
        }
    }

    // K is contiguous: a row of the tile is 128 bytes of K, eight chunks. A thread keeps its chunk and goes down 16 rows at a time.
    private static int SharedAlong(int t) => (t / 8 * 128) + (((t % 8) ^ (t / 8 & 7)) * 16);

    private static long GlobalAlong(long from, long stride, int t, int k, int row) => from + ((row + (t / 8)) * stride) + ((k + (8L * (t % 8))) * 2);

    private static int RowsAlong(int t, int k, int end, int row, int rows) => k + (8 * (t % 8)) < end ? rows - row - (t / 8) : 0;

    // M or N is contiguous: blocks of 64 columns, in each a row of 128 bytes for every k; eight rows at a time.
    private static int SharedAcross(int t) => (t % 16 / 8 * 8192) + (t / 16 * 128) + (((t % 8) ^ (t / 16 & 7)) * 16);

    private static long GlobalAcross(long from, long stride, int t, int k, int column) => from + ((k + (t / 16)) * stride) + ((column + (8L * (t % 16))) * 2);

    private static int RowsAcross(int t, int k, int end, int column, int columns) => column + (8 * (t % 16)) < columns ? end - k - (t / 16) : 0;
}

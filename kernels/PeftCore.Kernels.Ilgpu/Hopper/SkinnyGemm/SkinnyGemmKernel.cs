using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>Up to four tall matrices of one height, each with skinny ones; or one with several skinny ones from the left. Addresses are
/// plain numbers, because ILGPU does not launch this kernel.</summary>
internal struct SkinnyGemmArgs
{
    /// <summary>The matrices X, and R of each, (columns, rank).</summary>
    public long X0, X1, X2, X3, Right0, Right1, Right2, Right3;

    /// <summary>L (rows, rank) of each matrix, or all of the one.</summary>
    public long Left0, Left1, Left2, Left3;

    /// <summary>Addresses of the partial sums: of X·R over a strip's columns, and of Lᵀ·X over a run's rows.</summary>
    public long RightPartials, LeftPartials;

    public int M, N0, N1, N2, N3;

    /// <summary>First strip of matrices 1 to 3, and the number of strips.</summary>
    public int Start1, Start2, Start3, Strips;

    /// <summary>Rows that a thread block iterates over: a multiple of the rows of a step.</summary>
    public int Run;

    /// <summary>Columns of each skinny matrix, tiles of 16 columns of one, and tiles of all that one X is multiplied with.</summary>
    public int Rank, PerLeft, Tiles;

    /// <summary>Warps along a row of the block's tile, and along a column.</summary>
    public int WarpColumns, WarpRows;
    public int StageBytes, Stages, ReductionBytes, HasRight, HasLeft;
}

/// <summary>The matrix that a strip belongs to, and its first strip.</summary>
internal struct SkinnyGemmStrip
{
    public int Index, Start, N;
    public long X, Right;

    public static SkinnyGemmStrip Of(SkinnyGemmArgs args, int strip)
    {
        int i = (strip >= args.Start1 ? 1 : 0) + (strip >= args.Start2 ? 1 : 0) + (strip >= args.Start3 ? 1 : 0);
        return new SkinnyGemmStrip
        {
            Index = i,
            Start = i == 0 ? 0 : i == 1 ? args.Start1 : i == 2 ? args.Start2 : args.Start3,
            N = i == 0 ? args.N0 : i == 1 ? args.N1 : i == 2 ? args.N2 : args.N3,
            X = i == 0 ? args.X0 : i == 1 ? args.X1 : i == 2 ? args.X2 : args.X3,
            Right = i == 0 ? args.Right0 : i == 1 ? args.Right1 : i == 2 ? args.Right2 : args.Right3,
        };
    }
}

/// <summary>X·R and Lᵀ·X for skinny R and L, with X read once: both gradients of a rank-r product are computed from the same dY. A thread
/// block takes a strip of X's columns and iterates over a run of rows; each warp fills a ring of its own with the next steps.
/// <see cref="SkinnyGemmReduction"/> adds up the partial sums of thread blocks in order. Tests compare it with the same products one after
/// the other.</summary>
internal readonly struct SkinnyGemmKernel : IKernel<SkinnyGemmArgs>
{
    public static void Run(SkinnyGemmArgs args)
    {
        CudaAsm.Emit("peft.begin;");
        int warp = Group.IdxX / 32, strip = Grid.IdxX % args.Strips, top = Grid.IdxX / args.Strips * args.Run;
        int end = top + args.Run < args.M ? top + args.Run : args.M;
        int row = top + (warp / args.WarpColumns * SkinnyGemmShape.Rows), height = args.WarpRows * SkinnyGemmShape.Rows,
            steps = args.Run / height;
        var item = SkinnyGemmStrip.Of(args, strip);
        int column = (((strip - item.Start) * args.WarpColumns) + (warp % args.WarpColumns)) * SkinnyGemmShape.Columns;
        CudaAsm.Emit("peft.griddep_wait;");
        if (args.HasRight != 0)
        {
            LoadRight(args, item, column);
        }

        int ring = args.Stages * args.StageBytes, stage = 0, next = ring - args.StageBytes;
        for (int s = 0; s < args.Stages - 1; s++)
        {
            Load(args, item, s * args.StageBytes, row + (s * height), column, end);
            CudaAsm.Emit("peft.commit;");
        }

        for (int step = 0; step < steps; step++)
        {
            CudaAsm.Emit("peft.ready;");
            // After a wait of the whole warp, so that every lane has read what this overwrites.
            Load(args, item, next, row + ((step + args.Stages - 1) * height), column, end);
            CudaAsm.Emit("peft.commit;");
            CudaAsm.Emit("peft.multiply %0;", stage);
            if (args.HasRight != 0)
            {
                int turn = step % 2 * args.ReductionBytes;
                CudaAsm.Emit("peft.stage_right %0;", turn);
                Group.Barrier();
                ReduceRight(args, strip, turn, top + (step * height), end);
            }

            stage = stage + args.StageBytes == ring ? 0 : stage + args.StageBytes;
            next = next + args.StageBytes == ring ? 0 : next + args.StageBytes;
        }

        if (args.HasLeft != 0)
        {
            CudaAsm.Emit("peft.drain;");
            CudaAsm.Emit("peft.stage_left;");
            Group.Barrier();
            ReduceLeft(args);
        }
    }

    // A lane copies 16 bytes of every fourth row of X, then half of a row of L.
    private static void Load(SkinnyGemmArgs args, SkinnyGemmStrip item, int stage, int row, int column, int end)
    {
        int lane = Group.IdxX % 32, r = lane / 8, c = lane % 8;
        long pitch = 2L * item.N;
        int left = column + (8 * c) < item.N ? end - row - r : 0;
        CudaAsm.Emit("peft.rows %0, %1, %2, %3, %4;", stage + (r * 128) + ((c ^ r) * 16), item.X + ((row + r) * pitch) +
            (2L * (column + (8 * c))), left, 4 * pitch, item.X);
        if (args.HasLeft == 0)
        {
            return;
        }

        int half = lane % 2, skinny = lane / 2, to = stage + SkinnyGemmShape.WarpTileBytes + (skinny * 32) +
            ((half ^ (skinny / 4 % 2)) * 16);
        for (int t = 0; t < args.Tiles; t++)
        {
            int i = item.Index + (t / args.PerLeft), first = (t % args.PerLeft * SkinnyGemmShape.TileR) + (8 * half);
            long from = i == 0 ? args.Left0 : i == 1 ? args.Left1 : i == 2 ? args.Left2 : args.Left3;
            CudaAsm.Emit("peft.left %0, %1, %2, %3, %4;", to + (t * SkinnyGemmShape.LeftBytes), from +
                (((long)(row + skinny) * args.Rank) + first) * 2,
                first < args.Rank ? end - row - skinny : 0, pitch, from);
        }
    }

    private static void LoadRight(SkinnyGemmArgs args, SkinnyGemmStrip item, int column)
    {
        int lane = Group.IdxX % 32, warp = Group.IdxX / 32, half = lane % 2, row = lane / 2;
        for (int t = 0; t < args.Tiles; t++)
        {
            int first = (t * SkinnyGemmShape.TileR) + (8 * half);
            CudaAsm.Emit("peft.right %0, %1, %2, %3, %4;", (((warp * args.Tiles) + t) * 2048) + (row * 32) + ((half ^ (row / 4 % 2)) * 16),
                item.Right + (((long)(column + row) * args.Rank) + first) * 2, first < args.Rank ? item.N - column - row : 0,
                32L * args.Rank, item.Right);
        }
    }

    // Fragments of each 16 rows: two of eight skinny columns for every tile.
    private static void ReduceRight(SkinnyGemmArgs args, int strip, int turn, int row, int end)
    {
        int each = 2 * args.Tiles * 32, skinny = args.Tiles * SkinnyGemmShape.TileR;
        for (int p = Group.IdxX; p < args.WarpRows * each; p += SkinnyGemmShape.Threads)
        {
            int down = p / each, rest = p % each, lane = rest % 32, r = row + (down * SkinnyGemmShape.Rows) + (lane / 4);
            long to = ((((long)strip * args.M) + r) * skinny) + (rest / 32 * 8) + (lane % 4 * 2);
            CudaAsm.Emit("peft.reduce.right %0, %1, %2, %3;", turn + (((down * args.WarpColumns * each) + rest) * 16),
                args.RightPartials + (4 * to), end - r, 32L * skinny);
        }
    }

    private static void ReduceLeft(SkinnyGemmArgs args)
    {
        int each = args.WarpColumns * args.Tiles * 256;
        for (int p = Group.IdxX; p < each; p += SkinnyGemmShape.Threads)
        {
            CudaAsm.Emit("peft.reduce.left %0, %1;", p * 16, args.LeftPartials + ((((long)Grid.IdxX * each) + p) * 16));
        }
    }
}

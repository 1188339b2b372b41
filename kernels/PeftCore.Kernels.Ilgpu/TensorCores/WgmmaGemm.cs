using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>A product of BF16 matrices. Addresses are plain numbers: this kernel is not launched by ILGPU.</summary>
internal struct WgmmaArgs
{
    public long A, B, C;

    /// <summary>Bytes from one row of an operand to the next, as it is stored.</summary>
    public long StrideA, StrideB;

    public int M, N, K, TilesM, TilesN, Accumulate;

    /// <summary>Length of the part of K that one group sums; part s of the result starts at C[s·M·N].</summary>
    public int KPart;
    public float Alpha;
}

/// <summary>A tile's width and how its operands lie: the macros take only constants.</summary>
internal interface IWgmmaShape
{
    static abstract int TileN { get; }

    /// <summary>A is stored (K, M).</summary>
    static abstract bool TransposeA { get; }

    /// <summary>B is stored (K, N), so that N is contiguous.</summary>
    static abstract bool AcrossB { get; }

    static abstract void Begin();

    static abstract void Multiply(int offsetA, int offsetB);

    static abstract void Store(long address, int rows, int columns, long eightRows, float alpha, int accumulate);
}

/// <summary>C = α·op(A)·op(B) (+ C) on Hopper's tensor cores: two warpgroups, each 64 rows of a tile 128 high; operands come through four
/// stages of shared memory by cp.async, two stages ahead.</summary>
internal readonly struct WgmmaGemm<TShape> : IKernel<WgmmaArgs> where TShape : struct, IWgmmaShape
{
    public static void Run(WgmmaArgs args)
    {
        TShape.Begin();
        int t = Group.IdxX;
        // Tiles are walked in bands eight high, whose operands stay in the L2 cache.
        int band = 8 * args.TilesN, first = Grid.IdxX / band * 8, inBand = Grid.IdxX % band;
        int height = args.TilesM - first < 8 ? args.TilesM - first : 8;
        int row = (first + (inBand % height)) * WgmmaPtx.TileM, column = inBand / height * TShape.TileN;
        int start = Grid.IdxY * args.KPart, end = start + args.KPart < args.K ? start + args.KPart : args.K;
        int steps = (end - start + WgmmaPtx.Depth - 1) / WgmmaPtx.Depth, stage = WgmmaPtx.BytesA + (TShape.TileN * WgmmaPtx.Depth * 2);
        int warpgroup = t / 128;

        Load(args, t, row, column, start, end, 0);
        CudaAsm.Emit("cp.async.commit_group;");
        Load(args, t, row, column, start + WgmmaPtx.Depth, end, stage);
        CudaAsm.Emit("cp.async.commit_group;");
        for (int step = 0; step < steps; step++)
        {
            CudaAsm.Emit("cp.async.wait_group 1;");
            CudaAsm.Emit("fence.proxy.async.shared::cta;");
            Group.Barrier();
            // Behind the barrier: before it, this would race with the other warpgroup's reads of the stage.
            if (step + 2 < steps)
            {
                Load(args, t, row, column, start + ((step + 2) * WgmmaPtx.Depth), end, (step + 2) % WgmmaPtx.Stages * stage);
            }

            CudaAsm.Emit("cp.async.commit_group;");
            int at = step % WgmmaPtx.Stages * stage;
            TShape.Multiply(at + (warpgroup * (WgmmaPtx.BytesA / 2)), at + WgmmaPtx.BytesA);
        }

        CudaAsm.Emit("peft.drain;");
        int lane = t % 32, i = row + (warpgroup * 64) + (t / 32 % 4 * 16) + (lane / 4), j = column + (lane % 4 * 2);
        long element = ((long)Grid.IdxY * args.M * args.N) + ((long)i * args.N) + j;
        TShape.Store(args.C + (element * 4), args.M - i, args.N - j, 32L * args.N, args.Alpha, args.Accumulate);
    }

    private static void Load(WgmmaArgs args, int t, int row, int column, int k, int end, int stage)
    {
        if (TShape.TransposeA)
        {
            Across(args.A, args.StrideA, t, k, end, row, args.M, WgmmaPtx.TileM, stage);
        }
        else
        {
            Along(args.A, args.StrideA, t, row, args.M, k, end, WgmmaPtx.TileM, stage);
        }

        if (TShape.AcrossB)
        {
            Across(args.B, args.StrideB, t, k, end, column, args.N, TShape.TileN, stage + WgmmaPtx.BytesA);
        }
        else
        {
            Along(args.B, args.StrideB, t, column, args.N, k, end, TShape.TileN, stage + WgmmaPtx.BytesA);
        }
    }

    // K is contiguous: a row of the tile is 128 bytes of K. A thread keeps its chunk and goes down 32 rows at a time, which leaves the swizzle.
    private static void Along(long from, long stride, int t, int row, int rows, int k, int end, int tile, int shared)
    {
        int r = t / 8, chunk = t % 8, left = rows - row - r;
        left = k + (8 * chunk) < end ? left : 0;
        long source = from + ((row + r) * stride) + ((k + (8L * chunk)) * 2);
        shared += (r * 128) + ((chunk ^ (r & 7)) * 16);
        for (int i = 0; i < tile; i += 32)
        {
            bool inside = i < left;
            CudaAsm.Emit("peft.copy %0, %1, %2;", shared, inside ? source : from, inside ? 16 : 0);
            source += 32 * stride;
            shared += 32 * 128;
        }
    }

    // M or N is contiguous: blocks of 64 columns, in each a row of 128 bytes for every k.
    private static void Across(long from, long stride, int t, int k, int end, int column, int columns, int tile, int shared)
    {
        int chunks = tile / 8, rows = 256 / chunks, r = t / chunks, c = t % chunks, left = end - k - r;
        left = column + (8 * c) < columns ? left : 0;
        long source = from + ((k + r) * stride) + ((column + (8L * c)) * 2);
        shared += (c / 8 * 8192) + (r * 128) + (((c % 8) ^ (r & 7)) * 16);
        for (int i = 0; i < WgmmaPtx.Depth; i += rows)
        {
            bool inside = i < left;
            CudaAsm.Emit("peft.copy %0, %1, %2;", shared, inside ? source : from, inside ? 16 : 0);
            source += rows * stride;
            shared += rows * 128;
        }
    }
}

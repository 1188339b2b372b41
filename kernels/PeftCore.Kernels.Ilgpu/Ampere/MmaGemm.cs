using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Ampere;

/// <summary>Arguments of <see cref="MmaGemm{TLayout}"/>. Addresses are plain numbers, because ILGPU does not launch this kernel.</summary>
internal struct MmaArgs
{
    public long A, B, C;

    /// <summary>Bytes from one stored row of an operand or of the result to the next.</summary>
    public long StrideA, StrideB, StrideC;

    public int M, N, K, TilesM, TilesN, Accumulate, ElementBytes;

    /// <summary>Length of the slice of K that one thread block sums (split-K); partial sum s starts at C + M·StrideC·s bytes.</summary>
    public int KPerSplit;
    public float Alpha;

    /// <summary>INT8: addresses of the F32 scales of A's and of B's rows; 0 for BF16.</summary>
    public long ScalesA, ScalesB;
}

/// <summary>The layouts of both operands in memory.</summary>
internal interface IMmaLayout
{
    /// <summary>A is stored (K, M).</summary>
    static abstract bool TransposeA { get; }

    /// <summary>B is stored (K, N), row-major: N is contiguous. Otherwise it is column-major.</summary>
    static abstract bool RowMajorB { get; }
}

internal readonly struct MmaColumnMajorB : IMmaLayout
{
    public static bool TransposeA => false;

    public static bool RowMajorB => false;
}

internal readonly struct MmaRowMajorB : IMmaLayout
{
    public static bool TransposeA => false;

    public static bool RowMajorB => true;
}

internal readonly struct MmaTransposedAColumnMajorB : IMmaLayout
{
    public static bool TransposeA => true;

    public static bool RowMajorB => false;
}

internal readonly struct MmaTransposedARowMajorB : IMmaLayout
{
    public static bool TransposeA => true;

    public static bool RowMajorB => true;
}

/// <summary>C = α·op(A)·op(B) (+ C) on the tensor cores of compute capability 8.0 and later. Each of four warps takes 64 × 64 of a tile;
/// cp.async copies operands into a ring of stages in shared memory. A stage's last fragments are read before the barrier: after it the
/// stage is refilled, and the next stage's first fragments are read while the last products of this one run. The readable twin is
/// <see cref="Portable.Matrix.Gemm{TA, TB, TBlock}"/>; tests compare both with the CPU's product.</summary>
internal readonly struct MmaGemm<TLayout> : IKernel<MmaArgs> where TLayout : struct, IMmaLayout
{
    private const int StageBytes = 2 * MmaShape.OperandBytes, RingBytes = MmaShape.Stages * StageBytes;

    public static void Run(MmaArgs args)
    {
        CudaAsm.Emit("peft.begin;");
        int t = Group.IdxX;
        // Tiles are ordered in bands of eight rows of tiles, whose operands stay in the L2 cache.
        int band = 8 * args.TilesN, top = Grid.IdxX / band * 8, inBand = Grid.IdxX % band;
        int height = args.TilesM - top < 8 ? args.TilesM - top : 8;
        int row = (top + (inBand % height)) * MmaShape.Tile, column = inBand / height * MmaShape.Tile;
        int start = Grid.IdxY * args.KPerSplit, end = start + args.KPerSplit < args.K ? start + args.KPerSplit : args.K;

        var a = TLayout.TransposeA ? MmaPanel.MnMajor(args.A, args.StrideA, start, row, args.M)
            : MmaPanel.KMajor(args.A, args.StrideA, start, row, args.M);
        var b = TLayout.RowMajorB ? MmaPanel.MnMajor(args.B, args.StrideB, start, column, args.N)
            : MmaPanel.KMajor(args.B, args.StrideB, start, column, args.N);
        int k = start;
        for (int stage = 0; stage < RingBytes; stage += StageBytes)
        {
            Load(a, b, k, end, stage);
            CudaAsm.Emit("cp.async.commit_group;");
            (a, b, k) = (MmaPanel.Next(a), MmaPanel.Next(b), k + MmaShape.Depth);
        }

        CudaAsm.Emit("cp.async.wait_group 1;");
        Group.Barrier();
        CudaAsm.Emit("peft.first %0;", 0);
        int now = 0;
        for (int left = end - start; left > 0; left -= MmaShape.Depth)
        {
            CudaAsm.Emit("peft.multiply %0;", now);
            CudaAsm.Emit("cp.async.wait_group 1;");
            Group.Barrier();
            int next = now == RingBytes - StageBytes ? 0 : now + StageBytes;
            CudaAsm.Emit("peft.first %0;", next);
            if (k < end)
            {
                Load(a, b, k, end, now);
            }

            CudaAsm.Emit("cp.async.commit_group;");
            CudaAsm.Emit("peft.last;");
            (a, b, k, now) = (MmaPanel.Next(a), MmaPanel.Next(b), k + MmaShape.Depth, next);
        }

        int lane = t % 32, i = row + (t / 64 * 64) + (lane / 4), j = column + (t / 32 % 2 * 64) + (lane % 4 * 2);
        long place = args.C + ((((long)Grid.IdxY * args.M) + i) * args.StrideC) + ((long)j * args.ElementBytes);
        if (args.ScalesA != 0)
        {
            CudaAsm.Emit("peft.scale %0, %1, %2, %3;", args.ScalesA + (4L * i), args.ScalesB + (4L * j), args.M - i, args.N - j);
        }

        CudaAsm.Emit("peft.store %0, %1, %2, %3, %4, %5, %6;", place, args.M - i, args.N - j, 8 * args.StrideC, args.ElementBytes,
            args.Alpha, args.Accumulate);
    }

    private static void Load(MmaPanel a, MmaPanel b, int k, int end, int stage)
    {
        CudaAsm.Emit("peft.tile.a %0, %1, %2, %3;", stage + a.Shared, a.From, TLayout.TransposeA ? a.RowsOfMnMajor(k, end)
            : a.RowsOfKMajor(k, end), a.RowStep);
        CudaAsm.Emit("peft.tile.b %0, %1, %2, %3;", stage + MmaShape.OperandBytes + b.Shared, b.From, TLayout.RowMajorB
            ? b.RowsOfMnMajor(k, end) : b.RowsOfKMajor(k, end), b.RowStep);
    }
}

/// <summary>The part of one operand that a thread copies: 16 bytes in each of several rows.</summary>
internal struct MmaPanel
{
    /// <summary>The global address that the thread reads, its step from stage to stage, and from row to row.</summary>
    public long From, Step, RowStep;

    /// <summary>The offset that it writes in a stage; rows of the operand from its first row on; its offset in K.</summary>
    public int Shared, Rows, K;

    /// <summary>K-major: K is contiguous, and a row of the tile is 128 bytes of K, eight chunks. A thread copies one chunk of several
    /// rows.</summary>
    public static MmaPanel KMajor(long from, long stride, int k, int row, int rows)
    {
        int chunks = MmaShape.Depth / 8, t = Group.IdxX, down = t / chunks, chunk = t % chunks;
        MmaPanel panel = default;
        panel.K = 8 * chunk;
        panel.From = from + ((row + down) * stride) + ((k + panel.K) * 2L);
        panel.Step = 2 * MmaShape.Depth;
        panel.RowStep = MmaShape.Threads / chunks * stride;
        panel.Shared = (down * 128) + ((chunk ^ (down & 7)) * 16);
        panel.Rows = rows - row - down;
        return panel;
    }

    /// <summary>MN-major: M or N is contiguous. Blocks of 64 columns have a row of 128 bytes for every k.</summary>
    public static MmaPanel MnMajor(long from, long stride, int k, int column, int columns)
    {
        int chunks = MmaShape.Tile / 8, t = Group.IdxX, down = t / chunks, chunk = t % chunks;
        MmaPanel panel = default;
        panel.K = down;
        panel.From = from + ((k + down) * stride) + ((column + (8L * chunk)) * 2);
        panel.Step = MmaShape.Depth * stride;
        panel.RowStep = MmaShape.Threads / chunks * stride;
        panel.Shared = (chunk / 8 * MmaShape.SquareBytes) + (down * 128) + (((chunk % 8) ^ (down & 7)) * 16);
        panel.Rows = column + (8 * chunk) < columns ? 1 : 0;
        return panel;
    }

    public static MmaPanel Next(MmaPanel panel)
    {
        panel.From += panel.Step;
        return panel;
    }

    /// <summary>Rows that exist from the thread's first on, in a stage that begins at k.</summary>
    public readonly int RowsOfKMajor(int k, int end) => k + K < end ? Rows : 0;

    public readonly int RowsOfMnMajor(int k, int end) => Rows != 0 ? end - k - K : 0;
}

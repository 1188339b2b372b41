using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

/// <summary>Operands and schedule of a GEMM. Element (i, p) of op(A) is A[i·ARow + p·AColumn]; element (p, j) of op(B) is B[p·BRow +
/// j·BColumn].</summary>
internal struct GemmArgs<TA, TB>
    where TA : unmanaged
    where TB : unmanaged
{
    public ArrayView<TA> A;
    public ArrayView<TB> B;
    public ArrayView<float> C;
    public long ARow, AColumn, BRow, BColumn;
    public int M, N, K, TilesN, Accumulate;

    /// <summary>Length of the slice of K that one thread block sums (split-K); partial sum s starts at C[s·M·N].</summary>
    public int KPerSplit;
    public float Alpha;
}

/// <summary>C = α·op(A)·op(B) (+ C) on any device: a thread block computes a square tile from panels of both operands in shared memory.
/// This is the readable twin of the tensor-core kernels.</summary>
internal readonly struct Gemm<TA, TB, TBlock> : IKernel<GemmArgs<TA, TB>>
    where TA : unmanaged, IElement<TA>
    where TB : unmanaged, IElement<TB>
    where TBlock : struct, IBlockShape
{
    public static void Run(GemmArgs<TA, TB> args)
    {
        ArrayView<float> sharedA = SharedMemory.Allocate<float>(Panel.Elements), sharedB = SharedMemory.Allocate<float>(Panel.Elements);
        ArrayView<Float4> fourA = sharedA.Cast<Float4>(), fourB = sharedB.Cast<Float4>();
        int tile = 4 * TBlock.Side, t = Group.IdxX, tx = t % TBlock.Side, ty = t / TBlock.Side;
        int row = Grid.IdxX / args.TilesN * tile, column = Grid.IdxX % args.TilesN * tile;
        int first = Grid.IdxY * args.KPerSplit, last = first + args.KPerSplit < args.K ? first + args.KPerSplit : args.K;
        Tile4 sum = default;
        for (int p = first; p < last; p += Panel.Depth)
        {
            LoadA(args, sharedA, row, p, last, tile);
            LoadB(args, sharedB, column, p, last, tile);
            Group.Barrier();
            sum = Panel.Multiply<TBlock>(sum, fourA, ty, fourB, tx);
            Group.Barrier();
        }

        long partial = (long)Grid.IdxY * args.M * args.N;
        Store(args, partial, row + (4 * ty), column + (4 * tx), sum.R0);
        Store(args, partial, row + (4 * ty) + 1, column + (4 * tx), sum.R1);
        Store(args, partial, row + (4 * ty) + 2, column + (4 * tx), sum.R2);
        Store(args, partial, row + (4 * ty) + 3, column + (4 * tx), sum.R3);
    }

    // Neighbouring threads read neighbouring addresses, whether the operand is row- or column-major.
    private static void LoadA(GemmArgs<TA, TB> args, ArrayView<float> shared, int row, int p0, int last, int tile)
    {
        bool alongK = args.AColumn == 1;
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = alongK ? e % Panel.Depth : e / tile, i = alongK ? e / Panel.Depth : e % tile;
            float value = 0;
            if (row + i < args.M && p0 + p < last)
            {
                value = TA.ToFloat(args.A[((row + i) * args.ARow) + ((p0 + p) * args.AColumn)]);
            }

            shared[(p * Panel.Stride) + i] = value;
        }
    }

    private static void LoadB(GemmArgs<TA, TB> args, ArrayView<float> shared, int column, int p0, int last, int tile)
    {
        bool alongK = args.BRow == 1;
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = alongK ? e % Panel.Depth : e / tile, j = alongK ? e / Panel.Depth : e % tile;
            float value = 0;
            if (column + j < args.N && p0 + p < last)
            {
                value = TB.ToFloat(args.B[((p0 + p) * args.BRow) + ((column + j) * args.BColumn)]);
            }

            shared[(p * Panel.Stride) + j] = value;
        }
    }

    private static void Store(GemmArgs<TA, TB> args, long partial, int i, int j, Float4 sum)
    {
        Store(args, partial, i, j, sum.X);
        Store(args, partial, i, j + 1, sum.Y);
        Store(args, partial, i, j + 2, sum.Z);
        Store(args, partial, i, j + 3, sum.W);
    }

    private static void Store(GemmArgs<TA, TB> args, long partial, int i, int j, float sum)
    {
        if (i < args.M && j < args.N)
        {
            long at = partial + ((long)i * args.N) + j;
            float value = args.Alpha * sum;
            args.C[at] = args.Accumulate != 0 ? args.C[at] + value : value;
        }
    }
}

/// <summary>A slice of an operand in shared memory: element (p, i) at p·Stride + i.</summary>
internal static class Panel
{
    /// <summary>Elements of the summed dimension in a panel.</summary>
    public const int Depth = 16;

    /// <summary>64 elements and 4 of padding, so that columns start in different banks.</summary>
    public const int Stride = 68;

    /// <summary>Floats in a panel.</summary>
    public const int Elements = Depth * Stride;

    /// <summary>sum + aᵀ·b over the panel's depth, for this thread's four rows and columns.</summary>
    public static Tile4 Multiply<TBlock>(Tile4 sum, ArrayView<Float4> a, int ty, ArrayView<Float4> b, int tx)
        where TBlock : struct, IBlockShape
    {
        for (int p = 0; p < Depth; p++)
        {
            sum = Tile4.MultiplyAdd(sum, a[(p * (Stride / 4)) + ty], b[(p * (Stride / 4)) + tx]);
        }

        return sum;
    }
}

internal struct SumPartialsArgs
{
    public ArrayView<float> Partials, C;
    public int Count, Accumulate;
}

/// <summary>C (+)= Σ partials, in order: the second half of a split-K GEMM.</summary>
internal readonly struct SumPartials : IKernel<SumPartialsArgs>
{
    public static void Run(SumPartialsArgs args)
    {
        long i = Threads.Linear();
        if (i < args.C.Length)
        {
            float sum = 0;
            for (int s = 0; s < args.Count; s++)
            {
                sum += args.Partials[(s * args.C.Length) + i];
            }

            args.C[i] = args.Accumulate != 0 ? args.C[i] + sum : sum;
        }
    }
}

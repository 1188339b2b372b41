using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Portable.Experts;

/// <summary>Operands of ragged products; c has the elements of a. Element (p, n) of op(B) of expert e is B[e·BExpert + p·BRow +
/// n·BColumn].</summary>
internal struct RaggedGemmArgs<TA, TB>
    where TA : unmanaged
    where TB : unmanaged
{
    public ArrayView<TA> A;
    public ArrayView<TB> B;
    public ArrayView<TA> C;
    public ArrayView<int> Offsets;
    public long BExpert, BRow, BColumn;
    public int Experts, N, K, TilesN, Accumulate;
    public float Alpha;
}

/// <summary>c[p, :] (+)= α·a[p, :]·op(B[e]) for the rows p of each expert e, all experts in one launch: a thread block finds its expert
/// from the offsets, and a tile never spans two. The grid has as many rows of tiles as any routing can need; those beyond the last tile do
/// nothing. This is the readable twin of the tensor-core kernel.</summary>
internal readonly struct RaggedGemm<TA, TB, TBlock> : IKernel<RaggedGemmArgs<TA, TB>>
    where TA : unmanaged, IElement<TA>
    where TB : unmanaged, IElement<TB>
    where TBlock : struct, IBlockShape
{
    public static void Run(RaggedGemmArgs<TA, TB> args)
    {
        ArrayView<float> sharedA = SharedMemory.Allocate<float>(Panel.Elements), sharedB = SharedMemory.Allocate<float>(Panel.Elements);
        ArrayView<Float4> fourA = sharedA.Cast<Float4>(), fourB = sharedB.Cast<Float4>();
        int tile = 4 * TBlock.Side, t = Group.IdxX, tx = t % TBlock.Side, ty = t / TBlock.Side;
        int column = Grid.IdxX % args.TilesN * tile, left = Grid.IdxX / args.TilesN, expert = 0, row = 0, end = 0;
        while (expert < args.Experts && left >= 0)
        {
            row = args.Offsets[expert];
            end = args.Offsets[expert + 1];
            int tiles = (end - row + tile - 1) / tile;
            row += left < tiles ? left * tile : 0;
            left -= tiles;
            expert++;
        }

        if (left >= 0)
        {
            return; // The whole thread block: no barrier is missed.
        }

        long b = (expert - 1) * args.BExpert;
        Tile4 sum = default;
        for (int p = 0; p < args.K; p += Panel.Depth)
        {
            LoadA(args, sharedA, row, end, p, tile);
            LoadB(args, sharedB, b, column, p, tile);
            Group.Barrier();
            sum = Panel.Multiply<TBlock>(sum, fourA, ty, fourB, tx);
            Group.Barrier();
        }

        Store(args, row + (4 * ty), end, column + (4 * tx), sum.R0);
        Store(args, row + (4 * ty) + 1, end, column + (4 * tx), sum.R1);
        Store(args, row + (4 * ty) + 2, end, column + (4 * tx), sum.R2);
        Store(args, row + (4 * ty) + 3, end, column + (4 * tx), sum.R3);
    }

    private static void LoadA(RaggedGemmArgs<TA, TB> args, ArrayView<float> shared, int row, int end, int p0, int tile)
    {
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = e % Panel.Depth, i = e / Panel.Depth;
            float value = 0;
            if (row + i < end && p0 + p < args.K)
            {
                value = TA.ToFloat(args.A[((long)(row + i) * args.K) + p0 + p]);
            }

            shared[(p * Panel.Stride) + i] = value;
        }
    }

    // Neighbouring threads read neighbouring addresses, whether op(B) is row- or column-major.
    private static void LoadB(RaggedGemmArgs<TA, TB> args, ArrayView<float> shared, long b, int column, int p0, int tile)
    {
        bool alongK = args.BRow == 1;
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = alongK ? e % Panel.Depth : e / tile, j = alongK ? e / Panel.Depth : e % tile;
            float value = 0;
            if (column + j < args.N && p0 + p < args.K)
            {
                value = TB.ToFloat(args.B[b + ((p0 + p) * args.BRow) + ((column + j) * args.BColumn)]);
            }

            shared[(p * Panel.Stride) + j] = value;
        }
    }

    private static void Store(RaggedGemmArgs<TA, TB> args, int i, int end, int j, Float4 sum)
    {
        Store(args, i, end, j, sum.X);
        Store(args, i, end, j + 1, sum.Y);
        Store(args, i, end, j + 2, sum.Z);
        Store(args, i, end, j + 3, sum.W);
    }

    private static void Store(RaggedGemmArgs<TA, TB> args, int i, int end, int j, float sum)
    {
        if (i < end && j < args.N)
        {
            long at = ((long)i * args.N) + j;
            float value = args.Alpha * sum;
            value += args.Accumulate != 0 ? TA.ToFloat(args.C[at]) : 0;
            args.C[at] = TA.FromFloat(value);
        }
    }
}

internal struct RaggedGradientArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> A, B;
    public ArrayView<float> C;
    public ArrayView<int> Offsets;
    public int M, N, TilesM, TilesN, Accumulate;
    public float Alpha;
}

/// <summary>c[e] (+)= α·Aₑᵀ·Bₑ over the rows of each expert: the gradient of the matrices of
/// <see cref="RaggedGemm{TA, TB, TBlock}"/>.</summary>
internal readonly struct RaggedGradient<TElement, TBlock> : IKernel<RaggedGradientArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
    where TBlock : struct, IBlockShape
{
    public static void Run(RaggedGradientArgs<TElement> args)
    {
        ArrayView<float> sharedA = SharedMemory.Allocate<float>(Panel.Elements), sharedB = SharedMemory.Allocate<float>(Panel.Elements);
        ArrayView<Float4> fourA = sharedA.Cast<Float4>(), fourB = sharedB.Cast<Float4>();
        int tile = 4 * TBlock.Side, t = Group.IdxX, tx = t % TBlock.Side, ty = t / TBlock.Side;
        int column = Grid.IdxX % args.TilesN * tile, row = Grid.IdxX / args.TilesN % args.TilesM * tile;
        int expert = Grid.IdxX / args.TilesN / args.TilesM, first = args.Offsets[expert], last = args.Offsets[expert + 1];
        Tile4 sum = default;
        for (int p = first; p < last; p += Panel.Depth)
        {
            Load(args.A, sharedA, args.M, row, p, last, tile);
            Load(args.B, sharedB, args.N, column, p, last, tile);
            Group.Barrier();
            sum = Panel.Multiply<TBlock>(sum, fourA, ty, fourB, tx);
            Group.Barrier();
        }

        long c = (long)expert * args.M * args.N;
        Store(args, c, row + (4 * ty), column + (4 * tx), sum.R0);
        Store(args, c, row + (4 * ty) + 1, column + (4 * tx), sum.R1);
        Store(args, c, row + (4 * ty) + 2, column + (4 * tx), sum.R2);
        Store(args, c, row + (4 * ty) + 3, column + (4 * tx), sum.R3);
    }

    private static void Load(ArrayView<TElement> x, ArrayView<float> shared, int columns, int column, int p0, int last, int tile)
    {
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = e / tile, j = e % tile;
            float value = 0;
            if (column + j < columns && p0 + p < last)
            {
                value = TElement.ToFloat(x[((long)(p0 + p) * columns) + column + j]);
            }

            shared[(p * Panel.Stride) + j] = value;
        }
    }

    private static void Store(RaggedGradientArgs<TElement> args, long c, int i, int j, Float4 sum)
    {
        Store(args, c, i, j, sum.X);
        Store(args, c, i, j + 1, sum.Y);
        Store(args, c, i, j + 2, sum.Z);
        Store(args, c, i, j + 3, sum.W);
    }

    private static void Store(RaggedGradientArgs<TElement> args, long c, int i, int j, float sum)
    {
        if (i < args.M && j < args.N)
        {
            long at = c + ((long)i * args.N) + j;
            float value = args.Alpha * sum;
            args.C[at] = args.Accumulate != 0 ? args.C[at] + value : value;
        }
    }
}

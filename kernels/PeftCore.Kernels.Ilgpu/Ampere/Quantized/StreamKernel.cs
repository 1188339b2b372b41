using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>Arguments of <see cref="StreamKernel"/>. Addresses are plain numbers, because ILGPU does not launch this kernel.</summary>
internal struct StreamArgs
{
    /// <summary>Addresses of the parts of W (N, K).</summary>
    public long Codes, Scales, ScaleScales, Mean;

    /// <summary>Addresses of the levels and of the dynamic map.</summary>
    public long Levels, Map;

    /// <summary>Addresses of x (M, K) in BF16, y (M, N), and of a bias (N); 0 for none.</summary>
    public long X, Y, Bias;
    public int M, N, K;

    /// <summary>Groups of rows of x.</summary>
    public int RowGroups;

    /// <summary>Rows and columns of the result that a thread block computes.</summary>
    public int Rows, Columns;
    public int Accumulate, Bf16Bias, ElementBytes;
    public float Alpha;
}

/// <summary>y (+)= α·x·Wᵀ + bias for a few rows x and a W of four-bit codes, which are read once for 8 or 16 rows: the product is bound
/// by the half byte a number. A thread block computes 8 or 16 columns of y; its warps take turns along K. A lane reads eight bytes of codes
/// of a block of a row of W and looks up two BF16 levels for each byte: fragments of W in m16n8k16 products with x, whose sums are then
/// scaled in F32 by the block's scale. So W is level·scale with the level rounded to BF16, where dequantising first rounds the product. The
/// readable twin is <see cref="Portable.Quantized.FourBitDequantize{TElement}"/> followed by a product; tests compare them.</summary>
internal readonly struct StreamKernel : IKernel<StreamArgs>
{
    public static void Run(StreamArgs args)
    {
        int warp = Group.IdxX / 32, lane = Group.IdxX % 32, down = lane / 4, across = lane % 4;
        int column = Grid.IdxX / args.RowGroups * args.Columns, row = Grid.IdxX % args.RowGroups * args.Rows;
        CudaAsm.Emit("peft.begin %0, %1, %2;", args.Levels, args.Map, args.Mean);
        Group.Barrier();
        CudaAsm.Emit("peft.griddep_wait;");

        // Rows of W and x beyond the last one repeat it; their sums are not written.
        int n0 = Smaller(column + down, args.N - 1), n1 = Smaller(column + 8 + down, args.N - 1);
        long m0 = Smaller(row + down, args.M - 1), m1 = Smaller(row + StreamShape.Tile + down, args.M - 1);
        long pitch = args.K / 2, blocks = args.K / StreamShape.Block;
        long codes0 = args.Codes + (n0 * pitch) + (8 * across), codes1 = args.Codes + (n1 * pitch) + (8 * across);
        long block0 = (n0 * blocks) + across, block1 = (n1 * blocks) + across;
        long x0 = args.X + (((m0 * args.K) + (16 * across)) * 2), x1 = args.X + (((m1 * args.K) + (16 * across)) * 2);
        for (int k = warp * StreamShape.Step; k < args.K; k += StreamShape.Warps * StreamShape.Step)
        {
            int left = args.K - k, step = k / StreamShape.Block;
            CudaAsm.Emit("peft.codes %0, %1, %2;", codes0 + (k / 2), codes1 + (k / 2), left);
            CudaAsm.Emit("peft.scales %0, %1, %2, %3, %4;", block0 + step, block1 + step, args.Scales, args.ScaleScales,
                left - (across * StreamShape.Block));
            CudaAsm.Emit("peft.multiply %0, %1, %2;", x0 + (2L * k), x1 + (2L * k), left);
        }

        CudaAsm.Emit("peft.stage;");
        Group.Barrier();
        // Element e of the tiles: c of the four sums of a lane.
        int e = Group.IdxX, of = e % 128 / 4, c = e % 4;
        int i = row + (e / 128 * StreamShape.Tile) + (of % 4 * 2) + (c % 2), n = (of / 4) + (c / 2 * 8), j = column + n;
        if (e < 16 * args.Rows && n < args.Columns && i < args.M && j < args.N)
        {
            long bias = args.Bias == 0 ? 0 : args.Bias + ((long)j * (args.Bf16Bias != 0 ? 2 : 4));
            CudaAsm.Emit("peft.result %0, %1, %2, %3, %4;", args.Y + ((((long)i * args.N) + j) * args.ElementBytes), args.Alpha, bias,
                args.Bf16Bias, args.Accumulate);
        }
    }

    private static int Smaller(int a, int b) => a < b ? a : b;
}

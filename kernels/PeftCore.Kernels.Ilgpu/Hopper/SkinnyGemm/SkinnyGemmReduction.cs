using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

internal struct SkinnyGemmReductionArgs
{
    /// <summary>Partial sums of the thread blocks of <see cref="SkinnyGemmKernel"/>: of X·R, (strips, rows, skinny columns), and of Lᵀ·X,
    /// in the order of its warps' registers.</summary>
    public ArrayView<Float4> RightPartials, LeftPartials;

    /// <summary>X·R of each matrix, (rows, rank) in BF16, four elements to a word.</summary>
    public ArrayView<ulong> RightProduct0, RightProduct1, RightProduct2, RightProduct3;

    /// <summary>Xᵀ·L of each matrix, (columns, rank); or Lᵀ·X of each skinny matrix of one X, (rank, columns).</summary>
    public ArrayView<float> LeftProduct0, LeftProduct1, LeftProduct2, LeftProduct3;
    public float Alpha0, Alpha1, Alpha2, Alpha3;
    public int N0, N1, N2, N3, Start1, Start2, Start3, Strips;
    public int M, Rank, PerLeft, Tiles, Warps, Runs;

    /// <summary>Threads that add up right products, and threads that add up left ones.</summary>
    public int RightCount, LeftCount;

    /// <summary>Left products are (rank, columns); bit i of the other: left product i is added to what it holds.</summary>
    public int Transposed, Accumulate;
}

/// <summary>Adds up the partial sums of <see cref="SkinnyGemmKernel"/>, always in the same order.</summary>
internal readonly struct SkinnyGemmReduction : IKernel<SkinnyGemmReductionArgs>
{
    public static void Run(SkinnyGemmReductionArgs args)
    {
        int p = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (p < args.RightCount)
        {
            Right(args, p);
        }
        else if (p - args.RightCount < args.LeftCount)
        {
            Left(args, p - args.RightCount);
        }
    }

    private static void Right(SkinnyGemmReductionArgs args, int p)
    {
        int fours = args.Rank / 4, pitch = args.Tiles * 4, each = args.M * fours, item = p / each, rest = p % each, row = rest / fours,
            four = rest % fours;
        int strip = item == 0 ? 0 : item == 1 ? args.Start1 : item == 2 ? args.Start2 : args.Start3;
        int end = item == 0 ? args.Start1 : item == 1 ? args.Start2 : item == 2 ? args.Start3 : args.Strips;
        end = end < args.Strips ? end : args.Strips;
        float alpha = item == 0 ? args.Alpha0 : item == 1 ? args.Alpha1 : item == 2 ? args.Alpha2 : args.Alpha3;
        var sum = Sum(args.RightPartials, ((((long)strip * args.M) + row) * pitch) + four, (long)args.M * pitch, end - strip);
        ulong stored = BFloat16.FromFloat(sum.X * alpha).Bits | ((ulong)BFloat16.FromFloat(sum.Y * alpha).Bits << 16)
            | ((ulong)BFloat16.FromFloat(sum.Z * alpha).Bits << 32) | ((ulong)BFloat16.FromFloat(sum.W * alpha).Bits << 48);
        if (item == 0)
        {
            args.RightProduct0[rest] = stored;
        }
        else if (item == 1)
        {
            args.RightProduct1[rest] = stored;
        }
        else if (item == 2)
        {
            args.RightProduct2[rest] = stored;
        }
        else
        {
            args.RightProduct3[rest] = stored;
        }
    }

    // Fragments of 16 skinny columns × 8 columns: a lane has, of the rows lane/4 and eight below, the two columns from 2·(lane mod 4) on.
    private static void Left(SkinnyGemmReductionArgs args, int p)
    {
        int lane = p % 32, fragment = p / 32 % 8, tile = p / 256 % args.Tiles, warp = p / (256 * args.Tiles), strip = warp / args.Warps;
        int item = (strip >= args.Start1 ? 1 : 0) + (strip >= args.Start2 ? 1 : 0) + (strip >= args.Start3 ? 1 : 0);
        int start = item == 0 ? 0 : item == 1 ? args.Start1 : item == 2 ? args.Start2 : args.Start3;
        int n = item == 0 ? args.N0 : item == 1 ? args.N1 : item == 2 ? args.N2 : args.N3;
        int column = ((warp - (start * args.Warps)) * 64) + (fragment * 8) + (lane % 4 * 2), r = (tile % args.PerLeft * 16) + (lane / 4);
        if (column >= n)
        {
            return;
        }

        var sum = Sum(args.LeftPartials, p, args.LeftCount, args.Runs);
        int result = item + (tile / args.PerLeft), add = (args.Accumulate >> result) & 1;
        if (r < args.Rank)
        {
            Put(args, result, add, n, r, column, sum.X, sum.Y);
        }

        if (r + 8 < args.Rank)
        {
            Put(args, result, add, n, r + 8, column, sum.Z, sum.W);
        }
    }

    private static void Put(SkinnyGemmReductionArgs args, int result, int add, int n, int r, int column, float x, float y)
    {
        long at = args.Transposed != 0 ? ((long)r * n) + column : ((long)column * args.Rank) + r,
            next = at + (args.Transposed != 0 ? 1 : args.Rank);
        var to = result == 0 ? args.LeftProduct0 : result == 1 ? args.LeftProduct1 : result == 2 ? args.LeftProduct2 : args.LeftProduct3;
        to[at] = add != 0 ? to[at] + x : x;
        to[next] = add != 0 ? to[next] + y : y;
    }

    private static Float4 Sum(ArrayView<Float4> parts, long at, long apart, int count)
    {
        var sum = parts[at];
        int i = 1;
        for (; i + 3 < count; i += 4)
        {
            // Four loads in flight at once.
            Float4 a = parts[at + (i * apart)], b = parts[at + ((i + 1) * apart)], c = parts[at + ((i + 2) * apart)],
                d = parts[at + ((i + 3) * apart)];
            sum = Plus(Plus(Plus(Plus(sum, a), b), c), d);
        }

        for (; i < count; i++)
        {
            sum = Plus(sum, parts[at + (i * apart)]);
        }

        return sum;
    }

    private static Float4 Plus(Float4 a, Float4 b) => new() { X = a.X + b.X, Y = a.Y + b.Y, Z = a.Z + b.Z, W = a.W + b.W };
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Matrix products C = α·op(A)·op(B) (+ C). The readable twin is the triple loop in float64 of GemmTests. A row of a product of up
/// to <see cref="MaxInvariantRows"/> rows has the same bits whatever the other rows are and however many: each kernel that is chosen for so
/// few rows adds up in an order that does not depend on their number, and so does the choice.</summary>
internal static unsafe partial class Gemm
{
    /// <summary>The most rows of a product whose bits do not depend on the number of rows.</summary>
    public const int MaxInvariantRows = 32;

    /// <summary>The widest vector instructions of this processor.</summary>
    internal static SimdLevel Best { get; } =
        Avx512F.IsSupported ? SimdLevel.Avx512 : Avx2.IsSupported && Fma.IsSupported ? SimdLevel.Avx2 : SimdLevel.Portable;

    /// <summary>Name of the vector instructions that products use on this processor.</summary>
    public static string Instructions => Best switch
    {
        SimdLevel.Avx512 => "AVX-512",
        SimdLevel.Avx2 => "AVX2",
        _ => "portable vectors",
    };

    /// <summary>
    /// C (m×n, row stride ldc) = alpha·op(A)·op(B), plus C when accumulating; op(X) is Xᵀ when trans. A is m×k (k×m when transA),
    /// B is k×n (n×k when transB). When not accumulating C is never read.
    /// </summary>
    public static void Multiply(
        int m, int n, int k, Operand a, bool transA, Operand b, bool transB, Span<float> c, int ldc, float alpha, bool accumulate,
        WorkerPool pool) =>
        Multiply(m, n, k, a, transA, b, transB, c, ldc, alpha, accumulate, pool, Best);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply(
        int m, int n, int k, Operand a, bool transA, Operand b, bool transB, Span<float> c, int ldc, float alpha, bool accumulate,
        WorkerPool pool,
        SimdLevel level)
    {
        if (m <= 0 || n <= 0)
        {
            return;
        }

        Sizes.AtLeast(a, transA ? k : m, transA ? m : k);
        Sizes.AtLeast(b, transB ? n : k, transB ? k : n);
        Sizes.AtLeast<float>(c, ((m - 1L) * ldc) + n);
        if (k <= 0)
        {
            for (int i = 0; i < m && !accumulate; i++)
            {
                c.Slice((int)((long)i * ldc), n).Clear();
            }

            return;
        }

        fixed (byte* pa = a.Data, pb = b.Data)
        fixed (float* pc = c)
        {
            PackedOperand rows = new(pa, a.Type, a.Stride, !transA), columns = new(pb, b.Type, b.Stride, transB);
            MatrixProduct product = new(m, n, k, rows, columns, pc, ldc, 1, alpha, accumulate);
            SimdDispatch.Run(level, new MultiplyAction(product, pool));
        }
    }

    /// <summary>The choice of an algorithm by the shape of the product.</summary>
    private readonly struct MultiplyAction(MatrixProduct product, WorkerPool pool) : ISimdAction
    {
        public void Run<TTile, TSimd, TVector>()
            where TTile : struct, ITile
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (FewColumns<TSimd, TVector>(product, DotProducts<TSimd, TVector>.MaxColumns)
                && (product.N < product.M || !FewRows<TSimd, TVector>(product)))
            {
                DotProducts<TSimd, TVector>.Run(product, pool);
            }
            else if (FewRows<TSimd, TVector>(product))
            {
                DotProducts<TSimd, TVector>.Run(product.Swapped(), pool);
            }
            else if (GemvRows<TSimd, TVector>.Suits(product))
            {
                GemvRows<TSimd, TVector>.Run(product, pool);
            }
            else
            {
                // A tile has many columns and its rows come in fours, so a narrow C wastes less of its tiles when computed as Cᵀ.
                bool swap = product.K >= 64 && Padded<TTile>(product.M, product.N) > 1.15 * Padded<TTile>(product.N, product.M);
                PackedProduct<TTile>.Run(swap ? product.Swapped() : product, pool);
            }
        }
    }

    private static bool FewRows<TSimd, TVector>(in MatrixProduct product)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => FewColumns<TSimd, TVector>(product.Swapped(), MaxInvariantRows);

    private static bool FewColumns<TSimd, TVector>(in MatrixProduct product, int most)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => product.N <= most && product.A.StepsAdjacent && product.K >= 4 * TSimd.Count;

    // Elements of all tiles that cover C, the parts outside of C included.
    private static double Padded<TTile>(int rows, int columns)
        where TTile : struct, ITile =>
        4.0 * Ranges.Count(rows, 4) * TTile.Columns * Ranges.Count(columns, TTile.Columns);
}

using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>The vector instructions a product is computed with.</summary>
internal enum SimdLevel
{
    Portable,
    Avx2,
    Avx512,
}

/// <summary>Matrix products.</summary>
public static unsafe class Gemm
{
    /// <summary>The best level of this processor.</summary>
    internal static SimdLevel Best { get; } =
        Avx512F.IsSupported ? SimdLevel.Avx512 : Avx2.IsSupported && Fma.IsSupported ? SimdLevel.Avx2 : SimdLevel.Portable;

    /// <summary>
    /// C (m×n, row stride ldc) = alpha·op(A)·op(B), plus C when accumulating; op(X) is Xᵀ when trans. A is m×k (k×m when transA),
    /// B is k×n (n×k when transB). When not accumulating C is never read.
    /// </summary>
    public static void Multiply(
        int m, int n, int k, Operand a, bool transA, Operand b, bool transB, Span<float> c, int ldc, float alpha, bool accumulate, WorkerPool pool) =>
        Multiply(m, n, k, a, transA, b, transB, c, ldc, alpha, accumulate, pool, Best);

    internal static void Multiply(
        int m, int n, int k, Operand a, bool transA, Operand b, bool transB, Span<float> c, int ldc, float alpha, bool accumulate, WorkerPool pool,
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
            MatrixProduct product = new(
                m, n, k, new Strips(pa, a.Type, a.Stride, !transA), new Strips(pb, b.Type, b.Stride, transB), pc, ldc, alpha, accumulate);
            switch (level)
            {
                case SimdLevel.Avx512:
                    PackedProduct<Tile512>.Run(product, pool);
                    break;
                case SimdLevel.Avx2:
                    PackedProduct<Tile<Lanes256, Vector256<float>>>.Run(product, pool);
                    break;
                default:
                    PackedProduct<Tile<LanesPortable, Vector<float>>>.Run(product, pool);
                    break;
            }
        }
    }
}

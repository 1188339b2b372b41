namespace PeftCore.Kernels;

/// <summary>Products with a quantised B, which is dequantised as it is packed or, for few rows, as it is read: no F32 copy of it is
/// made.</summary>
internal static unsafe partial class Gemm
{
    /// <summary>C (m×n, row stride ldc) = alpha·A·op(B), plus C when accumulating. A is m×k; B is k×n (n×k when transB).</summary>
    public static void MultiplyQuantized(int m, int n, int k, Operand a, QuantizedMatrix b, bool transB, Span<float> c, int ldc,
        float alpha, bool accumulate, WorkerPool pool) =>
        MultiplyQuantized(m, n, k, a, b, transB, c, ldc, alpha, accumulate, pool, Best);

    internal static void MultiplyQuantized(int m, int n, int k, Operand a, QuantizedMatrix b, bool transB, Span<float> c, int ldc,
        float alpha, bool accumulate, WorkerPool pool, SimdLevel level)
    {
        if (m <= 0 || n <= 0)
        {
            return;
        }

        if (k <= 0)
        {
            Multiply(m, n, k, a, false, default, false, c, ldc, alpha, accumulate, pool, level);
            return;
        }

        if (b.Rows != (transB ? n : k) || b.Columns != (transB ? k : n))
        {
            throw new ArgumentException($"a quantised matrix of {b.Rows}×{b.Columns} is no factor of a product {m}×{n}×{k}");
        }

        Sizes.AtLeast(a, m, k);
        Sizes.AtLeast<float>(c, ((m - 1L) * ldc) + n);
        fixed (byte* pa = a.Data)
        fixed (float* pc = c)
        {
            PackedOperand rows = new(pa, a.Type, a.Stride, true), columns = new(&b, transB);
            MatrixProduct product = new(m, n, k, rows, columns, pc, ldc, 1, alpha, accumulate);
            SimdDispatch.Run(level, new MultiplyAction(product, pool));
        }
    }
}

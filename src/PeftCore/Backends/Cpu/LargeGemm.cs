using PeftCore.Kernels;

namespace PeftCore.Backends;

/// <summary>C (m, n) = α·op(A)·op(B) (+ C) for operands of any size. A span is limited to 2 GiB, which the weight of a large vocabulary
/// exceeds: the larger operand is halved along its rows, which halves m, n or k, until both fit.</summary>
/// <param name="stride">Elements between rows of C.</param>
/// <param name="transposeA">Use Aᵀ.</param>
/// <param name="transposeB">Use Bᵀ.</param>
/// <param name="alpha">α</param>
/// <param name="stream">The threads, and the maximum bytes of an operand.</param>
internal readonly struct LargeGemm(int stride, bool transposeA, bool transposeB, float alpha, CpuStream stream)
{
    public void Multiply(int m, int n, int k, MatrixBlock a, MatrixBlock b, Span<float> c, bool accumulate)
    {
        if (a.Bytes <= stream.MaxSpanBytes && b.Bytes <= stream.MaxSpanBytes)
        {
            Gemm.Multiply(m, n, k, a.Operand, transposeA, b.Operand, transposeB, c, stride, alpha, accumulate, stream.Pool);
            return;
        }
        bool splitA = a.Bytes >= b.Bytes;
        int half = (splitA ? a : b).Rows / 2;
        if (half == 0)
        {
            throw new NotSupportedException($"matmul: a single row of {(splitA ? a : b).Columns} columns is too long for the processor");
        }
        if (splitA && !transposeA)
        {
            Multiply(half, n, k, a.RowsOf(0, half), b, c, accumulate);
            Multiply(m - half, n, k, a.RowsOf(half, m - half), b, c[(half * stride)..], accumulate);
        }
        else if (!splitA && transposeB)
        {
            Multiply(m, half, k, a, b.RowsOf(0, half), c, accumulate);
            Multiply(m, n - half, k, a, b.RowsOf(half, n - half), c[half..], accumulate);
        }
        else
        {
            MultiplyPartOfK(m, n, 0, half, a, b, c, accumulate);
            MultiplyPartOfK(m, n, half, k - half, a, b, c, accumulate: true);
        }
    }

    private void MultiplyPartOfK(int m, int n, int start, int count, MatrixBlock a, MatrixBlock b, Span<float> c, bool accumulate) =>
        Multiply(m, n, count,
            transposeA ? a.RowsOf(start, count) : a.ColumnsOf(start, count),
            transposeB ? b.ColumnsOf(start, count) : b.RowsOf(start, count), c, accumulate);
}

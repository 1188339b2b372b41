namespace PeftCore.Kernels;

/// <summary>Matrix products.</summary>
public static unsafe partial class Gemm
{
    /// <summary>
    /// C (m×n, row stride ldc) = alpha·op(A)·op(B), plus C when accumulating; op(X) is Xᵀ when trans. A is m×k (k×m when transA),
    /// B is k×n (n×k when transB). When not accumulating C is never read.
    /// </summary>
    public static void Multiply(
        int m, int n, int k, Operand a, bool transA, Operand b, bool transB, Span<float> c, int ldc, float alpha, bool accumulate, WorkerPool pool)
    {
        if (m <= 0 || n <= 0)
        {
            return;
        }

        Sizes.AtLeast(a, transA ? k : m, transA ? m : k);
        Sizes.AtLeast(b, transB ? n : k, transB ? k : n);
        Sizes.AtLeast<float>(c, ((m - 1L) * ldc) + n);
        using Scratch rows = pool.Scratch.Rent((long)m * k), columns = pool.Scratch.Rent((long)n * k);
        fixed (byte* pa = a.Data, pb = b.Data)
        fixed (float* pc = c)
        {
            Gather(pa, a.Type, a.Stride, m, k, transA, rows.Pointer);
            Gather(pb, b.Type, b.Stride, k, n, transB, columns.Pointer);
            Ranges.ForRows(m, n, new RowBody(rows.Pointer, columns.Pointer, n, k, pc, ldc, alpha, accumulate), pool);
        }
    }

    private static void Gather(byte* x, ElementType type, int stride, int rows, int cols, bool transposed, float* into)
    {
        for (int r = 0; r < rows; r++)
        {
            if (!transposed)
            {
                Elements.Widen(x + ((long)r * stride * Elements.Size(type)), type, into + ((long)r * cols), cols);
                continue;
            }

            for (int c = 0; c < cols; c++)
            {
                into[((long)r * cols) + c] = Elements.At(x, type, ((long)c * stride) + r);
            }
        }
    }

    private readonly struct RowBody(float* a, float* b, int n, int k, float* c, int ldc, float alpha, bool accumulate) : IRangeBody
    {
        private readonly float* _a = a, _b = b, _c = c;

        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* row = _c + ((long)r * ldc);
                if (!accumulate)
                {
                    new Span<float>(row, n).Clear();
                }

                for (int p = 0; p < k; p++)
                {
                    Simd.AddScaled(_b + ((long)p * n), alpha * _a[((long)r * k) + p], row, n);
                }
            }
        }
    }
}

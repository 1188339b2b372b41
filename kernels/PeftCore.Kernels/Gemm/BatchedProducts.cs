using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Strided batched products of small matrices. One thread sums each element, in a fixed order. Four rows at a time where B and C
/// have adjacent columns; the readable twin is the element-wise loop beside it, to which the op catalog's tests hold it.</summary>
internal static unsafe class BatchedProducts
{
    private const int RowsAtOnce = 4;

    /// <summary>Computes the products; see <see cref="BatchedProduct"/>.</summary>
    public static void Multiply(in BatchedProduct product, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, WorkerPool pool)
    {
        if ((product.Count == 0 && !product.IsSum) || product.M == 0 || product.N == 0)
        {
            return;
        }
        fixed (float* pa = a, pb = b, pc = c)
        {
            int items = product.IsSum ? 1 : product.Count;
            int rows = (product.M + RowsAtOnce - 1) / RowsAtOnce;
            int work = (int)Math.Clamp((long)RowsAtOnce * product.K * product.N * (product.IsSum ? product.Count : 1), 1, int.MaxValue);
            Ranges.For(items * rows, new Body(product, rows, pa, pb, pc), pool, Math.Max(1, Ranges.Elements / work));
        }
    }

    private readonly struct Body(BatchedProduct product, int rows, float* a, float* b, float* c) : IRangeBody
    {
        private readonly BatchedProduct _p = product;
        private readonly float* _a = a, _b = b, _c = c;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int item = start; item < start + count; item++)
            {
                int matrix = item / rows, first = item % rows * RowsAtOnce;
                Rows(matrix, first, Math.Min(RowsAtOnce, _p.M - first));
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Rows(int matrix, int first, int count)
        {
            bool add = _p.Accumulate;
            if (_p.Count == 0 && !add)
            {
                Clear(first, count);
            }
            for (int i = _p.IsSum ? 0 : matrix; i < (_p.IsSum ? _p.Count : matrix + 1); i++)
            {
                if (_p.B.Column == 1 && _p.C.Column == 1 && count == RowsAtOnce)
                {
                    Gemv4(i, first, add);
                }
                else
                {
                    Gemv(i, first, count, add);
                }
                add = true;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Clear(int first, int count)
        {
            for (int m = first; m < first + count; m++)
            {
                for (int n = 0; n < _p.N; n++)
                {
                    _c[_p.C.At(0, m, n)] = 0;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Gemv4(int i, int m, bool add)
        {
            float* a = _a + _p.A.At(i, m, 0), b = _b + _p.B.At(i, 0, 0), c = _c + _p.C.At(i, m, 0);
            int n = 0;
            for (; n + Vector<float>.Count <= _p.N; n += Vector<float>.Count)
            {
                Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
                float* pa = a;
                for (int k = 0; k < _p.K; k++, pa += _p.A.Column)
                {
                    var row = Vector.Load(b + (long)k * _p.B.Row + n);
                    s0 += row * pa[0];
                    s1 += row * pa[_p.A.Row];
                    s2 += row * pa[2 * (long)_p.A.Row];
                    s3 += row * pa[3 * (long)_p.A.Row];
                }
                Store(s0, c + n, add);
                Store(s1, c + _p.C.Row + n, add);
                Store(s2, c + 2 * (long)_p.C.Row + n, add);
                Store(s3, c + 3 * (long)_p.C.Row + n, add);
            }
            for (; n < _p.N; n++)
            {
                for (int row = 0; row < RowsAtOnce; row++)
                {
                    Element(i, m + row, n, add);
                }
            }
        }

        private void Store(Vector<float> sum, float* to, bool add)
        {
            sum *= _p.Alpha;
            (add ? Vector.Load(to) + sum : sum).Store(to);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Gemv(int i, int first, int count, bool add)
        {
            for (int m = first; m < first + count; m++)
            {
                for (int n = 0; n < _p.N; n++)
                {
                    Element(i, m, n, add);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Element(int i, int m, int n, bool add)
        {
            float* a = _a + _p.A.At(i, m, 0), b = _b + _p.B.At(i, 0, n), c = _c + _p.C.At(i, m, n);
            float sum = 0;
            if (_p.A.Column == 1 && _p.B.Row == 1)
            {
                sum = System.Numerics.Tensors.TensorPrimitives.Dot(new ReadOnlySpan<float>(a, _p.K), new ReadOnlySpan<float>(b, _p.K));
            }
            else
            {
                for (int k = 0; k < _p.K; k++)
                {
                    sum += a[(long)k * _p.A.Column] * b[(long)k * _p.B.Row];
                }
            }
            *c = (add ? *c : 0) + _p.Alpha * sum;
        }
    }
}

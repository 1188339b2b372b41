using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Inverses of many small matrices. Tested against the definition by the tests of the inverse op.</summary>
internal static unsafe class BlockInverse
{
    /// <summary>y[n] = x[n]⁻¹ by Gauss-Jordan elimination in double precision, without pivoting.</summary>
    /// <param name="x">(count, side, side)</param>
    /// <param name="y">Of the same shape; may be x.</param>
    /// <param name="count">Number of matrices.</param>
    /// <param name="side">Rows and columns of each.</param>
    /// <param name="pool">Threads.</param>
    public static void Invert(ReadOnlySpan<float> x, Span<float> y, int count, int side, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)count * side * side);
        Sizes.AtLeast<float>(y, (long)count * side * side);
        fixed (float* px = x, py = y)
        {
            Ranges.For(count, new Body(px, py, side), pool, 1);
        }
    }

    private readonly struct Body(float* x, float* y, int side) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            double[] work = new double[side * side];
            for (int n = start; n < start + count; n++)
            {
                long at = (long)n * side * side;
                for (int i = 0; i < work.Length; i++)
                {
                    work[i] = _x[at + i];
                }
                Invert(work);
                for (int i = 0; i < work.Length; i++)
                {
                    _y[at + i] = (float)work[i];
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Invert(double[] a)
        {
            for (int p = 0; p < side; p++)
            {
                double scale = 1 / a[p * side + p];
                a[p * side + p] = 1;
                var pivot = a.AsSpan(p * side, side);
                System.Numerics.Tensors.TensorPrimitives.Multiply(pivot, scale, pivot);
                for (int i = 0; i < side; i++)
                {
                    if (i != p)
                    {
                        double factor = a[i * side + p];
                        a[i * side + p] = 0;
                        var row = a.AsSpan(i * side, side);
                        System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(pivot, -factor, row, row);
                    }
                }
            }
        }
    }
}

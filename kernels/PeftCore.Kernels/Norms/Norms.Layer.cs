using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

internal static unsafe partial class Norms
{
    /// <summary>
    /// y = (x − mean)·rstd·w + bias with rstd = 1/√(variance + eps), mean and rstd one per row. y may be x. (Ba et al. 2016.)
    /// </summary>
    public static void LayerForward(
        ReadOnlySpan<float> x, Operand weight, Operand bias, Span<float> y, Span<float> mean, Span<float> rstd,
        int rows, int cols, float eps, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        Sizes.AtLeast<float>(mean, rows);
        Sizes.AtLeast<float>(rstd, rows);
        Sizes.AtLeast(weight, weight.IsEmpty ? 0 : 1, cols);
        Sizes.AtLeast(bias, bias.IsEmpty ? 0 : 1, cols);
        using var scratch = pool.Scratch.Rent(2L * cols);
        fixed (byte* pw = weight.Data, pb = bias.Data)
        fixed (float* px = x, py = y, pm = mean, pr = rstd)
        {
            float* weightF32 = scratch.Pointer, shift = weightF32 + cols;
            new Span<float>(weightF32, cols).Fill(1f);
            new Span<float>(shift, cols).Clear();
            if (pw != null)
            {
                Elements.ToFloat(pw, weight.Type, weightF32, cols);
            }

            if (pb != null)
            {
                Elements.ToFloat(pb, bias.Type, shift, cols);
            }

            Ranges.ForRows(rows, cols, new LayerForwardBody(px, weightF32, shift, py, pm, pr, cols, eps), pool);
        }
    }

    /// <summary>
    /// With n = (x − mean)·rstd and g = dy·w: dx (+)= rstd·(g − mean(g) − n·mean(g·n)); dw (+)= Σ_rows dy·n; dBias (+)= Σ_rows dy.
    /// An output that is empty is not computed. dx may be dy when not accumulating.
    /// </summary>
    public static void LayerBackward(
        ReadOnlySpan<float> x, Operand weight, ReadOnlySpan<float> mean, ReadOnlySpan<float> rstd, ReadOnlySpan<float> dy,
        Span<float> dx, bool accumulateDx, Span<float> dWeight, bool accumulateDWeight, Span<float> dBias, bool accumulateDBias,
        int rows, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(dy, (long)rows * cols);
        Sizes.AtLeast(mean, rows);
        Sizes.AtLeast(rstd, rows);
        Sizes.AtLeast<float>(dx, dx.IsEmpty ? 0 : (long)rows * cols);
        Sizes.AtLeast<float>(dWeight, dWeight.IsEmpty ? 0 : cols);
        Sizes.AtLeast(weight, weight.IsEmpty ? 0 : 1, cols);
        using var scratch = pool.Scratch.Rent(cols);
        fixed (byte* pw = weight.Data)
        fixed (float* px = x, pm = mean, pr = rstd, pdy = dy, pdx = dx, pdw = dWeight)
        {
            if (pdw != null)
            {
                RowSums.Add(new LayerWeightTerm(px, pm, pr, pdy, cols), pdw, rows, cols, accumulateDWeight, pool);
            }

            if (!dBias.IsEmpty)
            {
                Elementwise.SumRows(dy, dBias, rows, cols, accumulateDBias, pool);
            }

            if (pdx == null)
            {
                return;
            }

            float* weightF32 = pw == null ? null : scratch.Pointer;
            if (weightF32 != null)
            {
                Elements.ToFloat(pw, weight.Type, weightF32, cols);
            }

            Ranges.ForRows(rows, cols, new LayerBackwardBody(px, weightF32, pm, pr, pdy, pdx, accumulateDx, cols), pool);
        }
    }

    private readonly struct LayerForwardBody(
        float* x, float* weightF32, float* shift, float* y, float* mean, float* rstd, int cols, float eps) : IRangeBody
    {
        private readonly float* _x = x, _weightF32 = weightF32, _shift = shift, _y = y, _mean = mean, _rstd = rstd;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* row = _x + ((long)r * cols), into = _y + ((long)r * cols);
                float center = Simd.Sum(row, cols) / cols;
                float scale = 1f / MathF.Sqrt((Simd.SquaredDistance(row, center, cols) / cols) + eps);
                _mean[r] = center;
                _rstd[r] = scale;
                VectorLoops.Zip<Centered, Overwrite>(new Centered(center, scale), row, _weightF32, into, cols);
                VectorLoops.Zip<Sum, Overwrite>(default, into, _shift, into, cols);
            }
        }
    }

    private readonly struct LayerBackwardBody(
        float* x, float* weightF32, float* mean, float* rstd, float* dy, float* dx, bool accumulate, int cols) : IRangeBody
    {
        private readonly float* _x = x, _weightF32 = weightF32, _mean = mean, _rstd = rstd, _dy = dy, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                long at = (long)r * cols;
                float sum = _weightF32 == null ? Simd.Sum(_dy + at, cols) : Simd.Dot(_dy + at, _weightF32, cols);
                float dot = _weightF32 == null ? Simd.Dot(_dy + at, _x + at, cols) : Simd.Dot(_dy + at, _weightF32, _x + at, cols);
                float center = _mean[r], scale = _rstd[r];
                // Σ g·n from Σ g·x and Σ g; then dx = rstd·g − n·rstd·mean(g·n) − rstd·mean(g), regrouped around x.
                float dotXdy = scale * (dot - (center * sum)) / cols;
                float a = -scale * scale * dotXdy;
                float b = -(scale * sum / cols) - (a * center);
                NormGradient.Row(_x + at, a, b, _weightF32, scale, _dy + at, _dx + at, accumulate, cols);
            }
        }
    }

    private readonly struct Centered(float mean, float rstd) : IVectorZip
    {
        public Vector<float> Apply(Vector<float> a, Vector<float> b) => (a - new Vector<float>(mean)) * rstd * b;
    }

    private readonly struct LayerWeightTerm(float* x, float* mean, float* rstd, float* dy, int cols) : IRowTerm
    {
        private readonly float* _x = x, _mean = mean, _rstd = rstd, _dy = dy;

        public Vector<float> At(int row, int col)
        {
            long at = ((long)row * cols) + col;
            return (Vector.Load(_x + at) - new Vector<float>(_mean[row])) * _rstd[row] * Vector.Load(_dy + at);
        }

        public Vector<float> PartAt(int row, int col, int count)
        {
            long at = ((long)row * cols) + col;
            return (Simd.LoadPart(_x + at, count) - new Vector<float>(_mean[row])) * _rstd[row] * Simd.LoadPart(_dy + at, count);
        }
    }
}

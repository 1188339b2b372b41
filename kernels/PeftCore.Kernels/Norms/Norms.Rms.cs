using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

internal static unsafe partial class Norms
{
    /// <summary>
    /// y = x·rstd·(weightOffset + w) with rstd = 1/√(mean(x²) + eps), one per row. weightOffset is 0 for LLaMA's form, 1 for
    /// Gemma's; with an empty weight y = x·rstd. y may be x. (Zhang and Sennrich 2019.)
    /// </summary>
    public static void RmsForward(
        ReadOnlySpan<float> x, Operand weight, float weightOffset, Span<float> y, Span<float> rstd, int rows, int cols, float eps,
        WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        Sizes.AtLeast<float>(rstd, rows);
        Sizes.AtLeast(weight, weight.IsEmpty ? 0 : 1, cols);
        using var scratch = pool.Scratch.Rent(cols);
        fixed (byte* pw = weight.Data)
        fixed (float* px = x, py = y, pr = rstd)
        {
            float* weightF32 = pw == null ? null : scratch.Pointer;
            if (weightF32 != null)
            {
                LoadWeight(pw, weight.Type, weightOffset, weightF32, cols);
            }

            Ranges.ForRows(rows, cols, new RmsForwardBody(px, weightF32, py, pr, cols, eps), pool);
        }
    }

    /// <summary>
    /// With g = dy·(weightOffset + w): dx (+)= rstd·(g − x·rstd²·mean(g·x)); dw (+)= Σ_rows dy·x·rstd. An empty dx or dWeight is
    /// not computed. dx may be dy when not accumulating.
    /// </summary>
    public static void RmsBackward(
        ReadOnlySpan<float> x, Operand weight, float weightOffset, ReadOnlySpan<float> rstd, ReadOnlySpan<float> dy,
        Span<float> dx, bool accumulateDx, Span<float> dWeight, bool accumulateDWeight, int rows, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast(dy, (long)rows * cols);
        Sizes.AtLeast(rstd, rows);
        Sizes.AtLeast<float>(dx, dx.IsEmpty ? 0 : (long)rows * cols);
        Sizes.AtLeast<float>(dWeight, dWeight.IsEmpty ? 0 : cols);
        Sizes.AtLeast(weight, weight.IsEmpty ? 0 : 1, cols);
        using var scratch = pool.Scratch.Rent(cols);
        fixed (byte* pw = weight.Data)
        fixed (float* px = x, pr = rstd, pdy = dy, pdx = dx, pdw = dWeight)
        {
            if (pdw != null)
            {
                RowSums.Add(new RmsWeightTerm(px, pr, pdy, cols), pdw, rows, cols, accumulateDWeight, pool);
            }

            if (pdx == null)
            {
                return;
            }

            float* weightF32 = pw == null ? null : scratch.Pointer;
            if (weightF32 != null)
            {
                LoadWeight(pw, weight.Type, weightOffset, weightF32, cols);
            }

            Ranges.ForRows(rows, cols, new RmsBackwardBody(px, weightF32, pr, pdy, pdx, accumulateDx, cols), pool);
        }
    }

    private readonly struct RmsForwardBody(float* x, float* weightF32, float* y, float* rstd, int cols, float eps) : IRangeBody
    {
        private readonly float* _x = x, _weightF32 = weightF32, _y = y, _rstd = rstd;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* row = _x + ((long)r * cols), into = _y + ((long)r * cols);
                float scale = 1f / MathF.Sqrt((Simd.Dot(row, row, cols) / cols) + eps);
                _rstd[r] = scale;
                if (_weightF32 == null)
                {
                    VectorLoops.Map<Scaling, Overwrite>(new Scaling(scale), row, into, cols);
                }
                else
                {
                    VectorLoops.Zip<ScaledProduct, Overwrite>(new ScaledProduct(scale), row, _weightF32, into, cols);
                }
            }
        }
    }

    private readonly struct RmsBackwardBody(float* x, float* weightF32, float* rstd, float* dy, float* dx, bool accumulate, int cols)
        : IRangeBody
    {
        private readonly float* _x = x, _weightF32 = weightF32, _rstd = rstd, _dy = dy, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                long at = (long)r * cols;
                float dot = _weightF32 == null ? Simd.Dot(_dy + at, _x + at, cols) : Simd.Dot(_dy + at, _weightF32, _x + at, cols);
                float scale = _rstd[r];
                float correction = scale * scale * scale * (dot / cols);
                NormGradient.Row(_x + at, -correction, 0f, _weightF32, scale, _dy + at, _dx + at, accumulate, cols);
            }
        }
    }

    private readonly struct ScaledProduct(float scale) : IVectorZip
    {
        public Vector<float> Apply(Vector<float> a, Vector<float> b) => a * scale * b;
    }

    private readonly struct RmsWeightTerm(float* x, float* rstd, float* dy, int cols) : IRowTerm
    {
        private readonly float* _x = x, _rstd = rstd, _dy = dy;

        public Vector<float> At(int row, int col)
        {
            long at = ((long)row * cols) + col;
            return Vector.Load(_x + at) * _rstd[row] * Vector.Load(_dy + at);
        }

        public Vector<float> PartAt(int row, int col, int count)
        {
            long at = ((long)row * cols) + col;
            return Simd.LoadPart(_x + at, count) * _rstd[row] * Simd.LoadPart(_dy + at, count);
        }
    }
}

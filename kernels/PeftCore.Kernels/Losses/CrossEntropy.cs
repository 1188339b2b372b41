using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Softmax, and cross-entropy with its gradient in place of the logits. Exponentials are within 2 ulp, the logarithm of a row's
/// sum within 1. Tested against the formulas by CrossEntropyTests.</summary>
internal static unsafe class CrossEntropy
{
    /// <summary>y[r, :] = softmax(x[r, :]). y may be x.</summary>
    public static void Softmax(ReadOnlySpan<float> x, Span<float> y, int rows, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        fixed (float* px = x, py = y)
        {
            Ranges.ForRows(rows, cols, new SoftmaxBody(px, py, cols), pool);
        }
    }

    /// <summary>dx (+)= y·(dy − Σ_c y·dy), row by row, y being the softmax. dx may be y or dy when not accumulating.</summary>
    public static void SoftmaxBackward(
        ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int rows, int cols, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(y, (long)rows * cols);
        Sizes.AtLeast(dy, (long)rows * cols);
        Sizes.AtLeast<float>(dx, (long)rows * cols);
        fixed (float* py = y, pdy = dy, pdx = dx)
        {
            Ranges.ForRows(rows, cols, new SoftmaxBackwardBody(py, pdy, pdx, cols, accumulate), pool);
        }
    }

    /// <summary>
    /// losses[r] = logsumexp(logits[r, :]) − logits[r, labels[r]], and 0 where the label is ignoreLabel. When writeGradient,
    /// logits are overwritten by (softmax − onehot)·scale, 0 in ignored rows.
    /// </summary>
    public static void ForwardBackward(
        Span<float> logits, ReadOnlySpan<int> labels, int ignoreLabel, float scale, Span<float> losses, int rows, int cols,
        bool writeGradient, WorkerPool pool)
    {
        Sizes.AtLeast<float>(logits, (long)rows * cols);
        Sizes.AtLeast(labels, rows);
        Sizes.AtLeast<float>(losses, rows);
        fixed (float* pl = logits, po = losses)
        fixed (int* pt = labels)
        {
            Ranges.ForRows(rows, cols, new LossBody(pl, pt, ignoreLabel, scale, po, cols, writeGradient), pool);
        }
    }

    private readonly struct SoftmaxBody(float* x, float* y, int cols) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* row = _x + ((long)r * cols), into = _y + ((long)r * cols);
                float sum = Exponentials.Sum(row, Simd.Max(row, cols), into, cols);
                VectorLoops.Map<Scaling, Overwrite>(new Scaling(1f / sum), into, into, cols);
            }
        }
    }

    private readonly struct SoftmaxBackwardBody(float* y, float* dy, float* dx, int cols, bool accumulate) : IRangeBody
    {
        private readonly float* _y = y, _dy = dy, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                long at = (long)r * cols;
                SoftmaxSlope slope = new(Simd.Dot(_y + at, _dy + at, cols));
                if (accumulate)
                {
                    VectorLoops.Zip<SoftmaxSlope, Accumulate>(slope, _y + at, _dy + at, _dx + at, cols);
                }
                else
                {
                    VectorLoops.Zip<SoftmaxSlope, Overwrite>(slope, _y + at, _dy + at, _dx + at, cols);
                }
            }
        }
    }

    private readonly struct SoftmaxSlope(float dot) : IVectorZip
    {
        public Vector<float> Apply(Vector<float> a, Vector<float> b) => a * (b - new Vector<float>(dot));
    }

    private readonly struct LossBody(
        float* logits, int* labels, int ignoreLabel, float scale, float* losses, int cols, bool writeGradient) : IRangeBody
    {
        private readonly float* _logits = logits, _losses = losses;
        private readonly int* _labels = labels;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                float* row = _logits + ((long)r * cols);
                int label = _labels[r];
                if (label == ignoreLabel)
                {
                    _losses[r] = 0;
                    if (writeGradient)
                    {
                        new Span<float>(row, cols).Clear();
                    }

                    continue;
                }

                if ((uint)label >= (uint)cols)
                {
                    throw new ArgumentOutOfRangeException(
                        nameof(labels), $"Label {label} in row {r} is not one of {cols} classes, nor the ignored label {ignoreLabel}.");
                }

                float max = Simd.Max(row, cols), target = row[label];
                float sum = Exponentials.Sum(row, max, writeGradient ? row : null, cols);
                _losses[r] = MathF.Log(sum) + (max - target);
                if (writeGradient)
                {
                    VectorLoops.Map<Scaling, Overwrite>(new Scaling(scale / sum), row, row, cols);
                    row[label] -= scale;
                }
            }
        }
    }
}

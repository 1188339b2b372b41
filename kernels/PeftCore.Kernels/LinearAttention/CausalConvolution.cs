using System.Runtime.CompilerServices;
using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>Causal depthwise convolution over time: y[b, t, c] = Σ_d w[K − 1 − d, c]·x[b, t − d, c] with d below K and at most the
/// token's position, so that packed sequences do not mix.</summary>
internal static unsafe class CausalConvolution
{
    private const int ColumnBlock = 256;

    /// <summary>y; the taps are w, (K, columns).</summary>
    public static void Forward(ReadOnlySpan<float> x, ReadOnlySpan<float> taps, ReadOnlySpan<int> positions, Span<float> y,
        ConvolutionShape shape, WorkerPool pool)
    {
        shape.Check(x, taps, positions, y);
        fixed (float* px = x, pw = taps, py = y)
        fixed (int* pp = positions)
        {
            Ranges.ForRows(shape.Rows, shape.Columns, new ForwardBody(px, pw, pp, py, shape), pool);
        }
    }

    /// <summary>dx[b, t, c] (+)= Σ_d w[K − 1 − d, c]·dy[b, t + d, c].</summary>
    public static void InputGradient(ReadOnlySpan<float> dy, ReadOnlySpan<float> taps, ReadOnlySpan<int> positions, Span<float> dx,
        ConvolutionShape shape, bool accumulate, WorkerPool pool)
    {
        shape.Check(dy, taps, positions, dx);
        fixed (float* pd = dy, pw = taps, px = dx)
        fixed (int* pp = positions)
        {
            Ranges.ForRows(shape.Rows, shape.Columns, new InputBody(pd, pw, pp, px, shape, accumulate), pool);
        }
    }

    /// <summary>dw[K − 1 − d, c] = Σ_{b, t} dy[b, t, c]·x[b, t − d, c].</summary>
    public static void TapGradient(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<int> positions, Span<float> dTaps,
        ConvolutionShape shape, WorkerPool pool)
    {
        shape.Check(dy, dTaps, positions, x);
        fixed (float* pd = dy, px = x, pw = dTaps)
        fixed (int* pp = positions)
        {
            TapBody body = new(pd, px, pp, pw, shape);
            pool.For(Ranges.Count(shape.Columns, ColumnBlock), ref body);
        }
    }

    private readonly struct ForwardBody(float* x, float* taps, int* positions, float* y, ConvolutionShape shape) : IRangeBody
    {
        private readonly float* _x = x, _taps = taps, _y = y;
        private readonly int* _positions = positions;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int columns = shape.Columns;
            for (int row = start; row < start + count; row++)
            {
                Span<float> to = new(_y + ((long)row * columns), columns);
                to.Clear();
                for (int d = 0; d < shape.Taps && d <= _positions[row] && d <= row % shape.Length; d++)
                {
                    TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(_x + ((long)(row - d) * columns), columns),
                        new ReadOnlySpan<float>(_taps + ((long)(shape.Taps - 1 - d) * columns), columns), to, to);
                }
            }
        }
    }

    private readonly struct InputBody(float* dy, float* taps, int* positions, float* dx, ConvolutionShape shape, bool accumulate)
        : IRangeBody
    {
        private readonly float* _dy = dy, _taps = taps, _dx = dx;
        private readonly int* _positions = positions;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int columns = shape.Columns;
            for (int row = start; row < start + count; row++)
            {
                Span<float> to = new(_dx + ((long)row * columns), columns);
                if (!accumulate)
                {
                    to.Clear();
                }

                for (int d = 0; d < shape.Taps && (row % shape.Length) + d < shape.Length; d++)
                {
                    if (_positions[row + d] >= d)
                    {
                        TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(_dy + ((long)(row + d) * columns), columns),
                            new ReadOnlySpan<float>(_taps + ((long)(shape.Taps - 1 - d) * columns), columns), to, to);
                    }
                }
            }
        }
    }

    private readonly struct TapBody(float* dy, float* x, int* positions, float* dTaps, ConvolutionShape shape) : IParallelBody
    {
        private readonly float* _dy = dy, _x = x, _dTaps = dTaps;
        private readonly int* _positions = positions;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int first = item * ColumnBlock, width = Math.Min(ColumnBlock, shape.Columns - first);
            for (int d = 0; d < shape.Taps; d++)
            {
                Span<float> sum = new(_dTaps + ((long)(shape.Taps - 1 - d) * shape.Columns) + first, width);
                sum.Clear();
                for (int row = 0; row < shape.Rows; row++)
                {
                    if (d <= _positions[row] && d <= row % shape.Length)
                    {
                        TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(_dy + ((long)row * shape.Columns) + first, width),
                            new ReadOnlySpan<float>(_x + ((long)(row - d) * shape.Columns) + first, width), sum, sum);
                    }
                }
            }
        }
    }
}

/// <summary>Extents of a causal convolution.</summary>
/// <param name="Rows">Batch times length.</param>
/// <param name="Length">Tokens of a sequence.</param>
/// <param name="Columns">Channels.</param>
/// <param name="Taps">Length K of the kernel.</param>
internal readonly record struct ConvolutionShape(int Rows, int Length, int Columns, int Taps)
{
    internal void Check(ReadOnlySpan<float> x, ReadOnlySpan<float> taps, ReadOnlySpan<int> positions, ReadOnlySpan<float> y)
    {
        Sizes.AtLeast(x, (long)Rows * Columns);
        Sizes.AtLeast(taps, (long)Taps * Columns);
        Sizes.AtLeast(positions, Rows);
        Sizes.AtLeast(y, (long)Rows * Columns);
    }
}

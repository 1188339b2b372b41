using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Group normalisation (Wu and He 2018) of channels-last pictures: mean and variance over the positions of one picture and the
/// channels of one group.</summary>
internal static unsafe class GroupNorms
{
    /// <summary>y = (x − mean)·rstd·weight + bias with rstd = 1/√(variance + eps). y may be x.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="x">(batch, positions, channels)</param>
    /// <param name="weight">(channels)</param>
    /// <param name="bias">(channels)</param>
    /// <param name="y">As x.</param>
    /// <param name="mean">(batch, groups)</param>
    /// <param name="rstd">(batch, groups)</param>
    /// <param name="eps">ε</param>
    /// <param name="pool">Threads.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(GroupShape shape, ReadOnlySpan<float> x, Operand weight, Operand bias, Span<float> y, Span<float> mean,
        Span<float> rstd, float eps, WorkerPool pool)
    {
        shape.Check(x, y, mean, rstd);
        int channels = shape.Channels, positions = shape.Positions;
        using var scratch = pool.Scratch.Rent(5L * channels);
        float* sums = scratch.Pointer, centers = sums + channels, scales = centers + channels, weights = scales + channels,
            shifts = weights + channels;
        fixed (byte* pw = weight.Data, pb = bias.Data)
        {
            Elements.ToFloat(pw, weight.Type, weights, channels);
            Elements.ToFloat(pb, bias.Type, shifts, channels);
        }

        fixed (float* px = x, py = y, pm = mean, pr = rstd)
        {
            for (int picture = 0; picture < shape.Batch; picture++)
            {
                float* from = px + ((long)picture * positions * channels);
                float* means = pm + (picture * shape.Groups), roots = pr + (picture * shape.Groups);
                RowSums.Add(new Entry(from, channels), sums, positions, channels, false, pool);
                shape.Means(sums, means);
                shape.Spread(means, centers);
                RowSums.Add(new SquaredDistance(from, centers, channels), sums, positions, channels, false, pool);
                shape.Means(sums, roots);
                for (int g = 0; g < shape.Groups; g++)
                {
                    roots[g] = 1f / MathF.Sqrt(roots[g] + eps);
                }

                shape.Spread(roots, scales);
                VectorLoops.Zip<Product, Overwrite>(default, scales, weights, scales, channels);
                Ranges.ForRows(positions, channels,
                    new ForwardBody(from, centers, scales, shifts, py + ((long)picture * positions * channels), channels), pool);
            }
        }
    }

    /// <summary>With n = (x − mean)·rstd and g = dy·weight, and means over a group: dx (+)= rstd·(g − mean(g) − n·mean(g·n));
    /// dw (+)= Σ dy·n; dBias (+)= Σ dy. An output that is empty is not computed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(GroupShape shape, ReadOnlySpan<float> x, Operand weight, ReadOnlySpan<float> mean, ReadOnlySpan<float> rstd,
        ReadOnlySpan<float> dy, Span<float> dx, bool accumulateDx, Span<float> dWeight, bool accumulateDWeight, Span<float> dBias,
        bool accumulateDBias, WorkerPool pool)
    {
        shape.Check(x, dy, mean, rstd);
        Sizes.AtLeast<float>(dx, dx.IsEmpty ? 0 : shape.Count);
        int channels = shape.Channels, positions = shape.Positions;
        Prepare(dWeight, accumulateDWeight);
        Prepare(dBias, accumulateDBias);
        using var scratch = pool.Scratch.Rent((6L * channels) + (2L * shape.Groups));
        float* sums = scratch.Pointer, dots = sums + channels, centers = dots + channels, scales = centers + channels,
            weights = scales + channels, work = weights + channels, gradients = work + channels, products = gradients + shape.Groups;
        fixed (byte* pw = weight.Data)
        {
            Elements.ToFloat(pw, weight.Type, weights, channels);
        }

        fixed (float* px = x, pm = mean, pr = rstd, pdy = dy, pdx = dx, pdw = dWeight, pdb = dBias)
        {
            for (int picture = 0; picture < shape.Batch; picture++)
            {
                long at = (long)picture * positions * channels;
                shape.Spread(pm + (picture * shape.Groups), centers);
                shape.Spread(pr + (picture * shape.Groups), scales);
                RowSums.Add(new Entry(pdy + at, channels), sums, positions, channels, false, pool);
                RowSums.Add(new Dot(px + at, pdy + at, centers, scales, channels), dots, positions, channels, false, pool);
                if (pdw != null)
                {
                    VectorLoops.Zip<Sum, Overwrite>(default, pdw, dots, pdw, channels);
                }

                if (pdb != null)
                {
                    VectorLoops.Zip<Sum, Overwrite>(default, pdb, sums, pdb, channels);
                }

                if (pdx == null)
                {
                    continue;
                }

                VectorLoops.Zip<Product, Overwrite>(default, sums, weights, sums, channels);
                VectorLoops.Zip<Product, Overwrite>(default, dots, weights, dots, channels);
                shape.Means(sums, gradients);
                shape.Means(dots, products);
                // dx = dy·(rstd·weight) − (x − mean)·(rstd²·mean(g·n)) − rstd·mean(g)
                shape.Spread(gradients, sums);
                shape.Spread(products, dots);
                VectorLoops.Zip<Product, Overwrite>(default, sums, scales, sums, channels);
                VectorLoops.Zip<Product, Overwrite>(default, dots, scales, dots, channels);
                VectorLoops.Zip<Product, Overwrite>(default, dots, scales, dots, channels);
                VectorLoops.Zip<Product, Overwrite>(default, scales, weights, work, channels);
                Ranges.ForRows(positions, channels,
                    new BackwardBody(px + at, pdy + at, centers, work, dots, sums, pdx + at, accumulateDx, channels), pool);
            }
        }
    }

    private static void Prepare(Span<float> sum, bool accumulate)
    {
        if (!accumulate)
        {
            sum.Clear();
        }
    }

    private readonly struct ForwardBody(float* x, float* centers, float* scales, float* shifts, float* y, int channels) : IRangeBody
    {
        private readonly float* _x = x, _centers = centers, _scales = scales, _shifts = shifts, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int width = Simd.Width;
            for (int r = start; r < start + count; r++)
            {
                float* from = _x + ((long)r * channels), to = _y + ((long)r * channels);
                int c = 0;
                for (; c <= channels - width; c += width)
                {
                    var n = Vector.Load(from + c) - Vector.Load(_centers + c);
                    VectorMath.MultiplyAdd(n, Vector.Load(_scales + c), Vector.Load(_shifts + c)).Store(to + c);
                }

                for (; c < channels; c++)
                {
                    to[c] = ((from[c] - _centers[c]) * _scales[c]) + _shifts[c];
                }
            }
        }
    }

    private readonly struct BackwardBody(float* x, float* dy, float* centers, float* ofDy, float* ofX, float* constant, float* dx,
        bool accumulate, int channels) : IRangeBody
    {
        private readonly float* _x = x, _dy = dy, _centers = centers, _ofDy = ofDy, _ofX = ofX, _constant = constant, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int width = Simd.Width;
            for (int r = start; r < start + count; r++)
            {
                float* from = _x + ((long)r * channels), gradient = _dy + ((long)r * channels), to = _dx + ((long)r * channels);
                int c = 0;
                for (; c <= channels - width; c += width)
                {
                    var n = Vector.Load(from + c) - Vector.Load(_centers + c);
                    var d = (Vector.Load(gradient + c) * Vector.Load(_ofDy + c)) - (n * Vector.Load(_ofX + c)) - Vector.Load(_constant + c);
                    (accumulate ? Vector.Load(to + c) + d : d).Store(to + c);
                }

                for (; c < channels; c++)
                {
                    float d = (gradient[c] * _ofDy[c]) - ((from[c] - _centers[c]) * _ofX[c]) - _constant[c];
                    to[c] = accumulate ? to[c] + d : d;
                }
            }
        }
    }

    private readonly struct Entry(float* x, int channels) : IRowTerm
    {
        private readonly float* _x = x;

        public Vector<float> At(int row, int col) => Vector.Load(_x + ((long)row * channels) + col);

        public Vector<float> PartAt(int row, int col, int count) => Simd.LoadPart(_x + ((long)row * channels) + col, count);
    }

    private readonly struct SquaredDistance(float* x, float* centers, int channels) : IRowTerm
    {
        private readonly float* _x = x, _centers = centers;

        public Vector<float> At(int row, int col)
        {
            var n = Vector.Load(_x + ((long)row * channels) + col) - Vector.Load(_centers + col);
            return n * n;
        }

        public Vector<float> PartAt(int row, int col, int count)
        {
            var n = Simd.LoadPart(_x + ((long)row * channels) + col, count) - Simd.LoadPart(_centers + col, count);
            return n * n;
        }
    }

    /// <summary>dy·(x − mean)·rstd.</summary>
    private readonly struct Dot(float* x, float* dy, float* centers, float* scales, int channels) : IRowTerm
    {
        private readonly float* _x = x, _dy = dy, _centers = centers, _scales = scales;

        public Vector<float> At(int row, int col)
        {
            long at = ((long)row * channels) + col;
            return (Vector.Load(_x + at) - Vector.Load(_centers + col)) * Vector.Load(_scales + col) * Vector.Load(_dy + at);
        }

        public Vector<float> PartAt(int row, int col, int count)
        {
            long at = ((long)row * channels) + col;
            return (Simd.LoadPart(_x + at, count) - Simd.LoadPart(_centers + col, count)) * Simd.LoadPart(_scales + col, count)
                * Simd.LoadPart(_dy + at, count);
        }
    }
}

/// <summary>Extents of a group norm.</summary>
/// <param name="Batch">Pictures.</param>
/// <param name="Positions">Positions of a picture.</param>
/// <param name="Channels">Channels.</param>
/// <param name="Groups">Groups of channels.</param>
internal readonly record struct GroupShape(int Batch, int Positions, int Channels, int Groups)
{
    /// <summary>Elements of x.</summary>
    public long Count => (long)Batch * Positions * Channels;

    /// <summary>Channels of a group.</summary>
    public int Width => Channels / Groups;

    internal void Check(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> mean, ReadOnlySpan<float> rstd)
    {
        Sizes.AtLeast(x, Count);
        Sizes.AtLeast(y, Count);
        Sizes.AtLeast(mean, (long)Batch * Groups);
        Sizes.AtLeast(rstd, (long)Batch * Groups);
    }

    /// <summary>The mean of each group from the sums of its channels over the positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal unsafe void Means(float* sums, float* means)
    {
        for (int g = 0; g < Groups; g++)
        {
            double sum = 0;
            for (int c = g * Width; c < (g + 1) * Width; c++)
            {
                sum += sums[c];
            }

            means[g] = (float)(sum / ((double)Width * Positions));
        }
    }

    /// <summary>The number of each channel's group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal unsafe void Spread(float* groups, float* channels)
    {
        for (int c = 0; c < Channels; c++)
        {
            channels[c] = groups[c / Width];
        }
    }
}

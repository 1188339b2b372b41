using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Convolutions and group norm by their definitions, in double precision, on channels-last arrays.</summary>
internal static class NaiveConvolutions
{
    extension(Naive)
    {
        /// <summary>y[b, oh, ow, o] = bias[o] + Σ w[o, c, i, j]·x[b, oh·stride + i·dilation − pad, …, group(o)·channels + c].</summary>
        public static double[] Convolution(double[] x, Shape shape, double[] weight, double[]? bias, int outputs, ConvolutionSpec spec)
        {
            var grid = spec.On(shape);
            double[] y = new double[grid.Rows * outputs];
            for (int at = 0; at < y.Length; at++)
            {
                int o = at % outputs, row = at / outputs, group = o / (outputs / grid.Groups);
                y[at] = bias?[o] ?? 0;
                for (int k = 0; k < grid.Columns; k++)
                {
                    y[at] += weight[o * grid.Columns + k] * Entry(x, grid, spec, group, row, k);
                }
            }
            return y;
        }

        /// <summary>The patches of one group.</summary>
        public static double[] Unfold(double[] x, Shape shape, ConvolutionSpec spec)
        {
            var grid = spec.On(shape);
            return [.. Enumerable.Range(0, grid.Rows * grid.Columns).Select(at => Entry(x, grid, spec, 0, at / grid.Columns,
                at % grid.Columns))];
        }

        /// <summary>The sum of patches at the places they were taken from.</summary>
        public static double[] Fold(double[] p, Shape shape, ConvolutionSpec spec)
        {
            var grid = spec.On(shape);
            double[] y = new double[shape.Count];
            for (int at = 0; at < p.Length; at++)
            {
                if (Place(grid, spec, 0, at / grid.Columns, at % grid.Columns) is { } place)
                {
                    y[place] += p[at];
                }
            }
            return y;
        }

        public static double[] GroupNorm(double[] x, Shape shape, int groups, double[] weight, double[] bias, double epsilon)
        {
            int channels = shape.Columns, each = shape[0] == 0 ? 0 : x.Length / shape[0], width = channels / groups;
            double[] y = new double[x.Length];
            foreach (var set in Enumerable.Range(0, x.Length).GroupBy(i => (i / each, i % channels / width)))
            {
                double mean = set.Average(i => x[i]), rstd = 1 / Math.Sqrt(set.Average(i => (x[i] - mean) * (x[i] - mean)) + epsilon);
                foreach (int i in set)
                {
                    y[i] = (x[i] - mean) * rstd * weight[i % channels] + bias[i % channels];
                }
            }
            return y;
        }

        public static double[] Dropout(double[] x, DropoutKey key) =>
            Naive.Zip(x, Naive.DropoutMask(x.Length, key.Probability, key.Seed, key.Stream), (value, kept) => value * kept);
    }

    /// <summary>Element k of the patch of an output position.</summary>
    private static double Entry(double[] x, PatchGrid grid, ConvolutionSpec spec, int group, int row, int k) =>
        Place(grid, spec, group, row, k) is { } place ? x[place] : 0;

    /// <summary>The index in x of element k of the patch of an output position; null outside x.</summary>
    private static int? Place(PatchGrid grid, ConvolutionSpec spec, int group, int row, int k)
    {
        int j = k % grid.KernelWidth, i = k / grid.KernelWidth % grid.KernelHeight, c = k / grid.Taps + group * grid.GroupChannels;
        int ow = row % grid.OutWidth, oh = row / grid.OutWidth % grid.OutHeight, picture = row / grid.OutWidth / grid.OutHeight;
        int h = oh * spec.StrideHeight + i * spec.DilationHeight - spec.PadTop, w = ow * spec.StrideWidth + j * spec.DilationWidth
            - spec.PadLeft;
        if (h < 0 || w < 0 || h >= grid.Height * spec.Upsampling || w >= grid.Width * spec.Upsampling)
        {
            return null;
        }
        return ((picture * grid.Height + h / spec.Upsampling) * grid.Width + w / spec.Upsampling) * grid.Channels + c;
    }
}

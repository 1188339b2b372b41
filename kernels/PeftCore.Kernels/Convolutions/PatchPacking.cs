using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Packs the patches of a convolution as rows of a matrix (im2col), and adds gradients of patches up at the positions they were
/// taken from (col2im).</summary>
internal static unsafe class PatchPacking
{
    /// <summary>p[r, (c, i, j)] = x[b, oh·stride + i·dilation − pad, ow·stride + j·dilation − pad, c] for the output positions
    /// (b, oh, ow) from <paramref name="first"/> on and the channels c of one group; zero outside x.</summary>
    /// <param name="x">(batch, height, width, channels)</param>
    /// <param name="grid">Extents.</param>
    /// <param name="group">The group of channels.</param>
    /// <param name="first">Output position of the first row.</param>
    /// <param name="p">(count, columns)</param>
    /// <param name="count">Rows.</param>
    /// <param name="pool">Threads.</param>
    public static void Pack(ReadOnlySpan<float> x, in PatchGrid grid, int group, int first, Span<float> p, int count, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)grid.Positions * grid.Channels);
        Sizes.AtLeast<float>(p, (long)count * grid.Columns);
        fixed (float* px = x, pp = p)
        {
            Ranges.ForRows(count, grid.Columns, new PackBody(px + (group * grid.GroupChannels), pp, grid, first), pool);
        }
    }

    /// <summary>dx[b, h, w, c] += Σ dp[r, (c, i, j)] over the rows and kernel positions whose patch has (h, w) at (i, j).</summary>
    /// <param name="dp">(count, columns)</param>
    /// <param name="grid">Extents.</param>
    /// <param name="group">The group of channels.</param>
    /// <param name="first">Output position of the first row.</param>
    /// <param name="count">Rows.</param>
    /// <param name="dx">(batch, height, width, channels)</param>
    /// <param name="pool">Threads.</param>
    public static void Unpack(ReadOnlySpan<float> dp, in PatchGrid grid, int group, int first, int count, Span<float> dx, WorkerPool pool)
    {
        Sizes.AtLeast<float>(dx, (long)grid.Positions * grid.Channels);
        Sizes.AtLeast(dp, (long)count * grid.Columns);
        fixed (float* pp = dp, px = dx)
        {
            Ranges.ForRows(grid.Positions, grid.Columns,
                new UnpackBody(pp, px + (group * grid.GroupChannels), grid, first, count), pool);
        }
    }

    private readonly struct PackBody(float* x, float* p, PatchGrid grid, int first) : IRangeBody
    {
        private readonly float* _x = x, _p = p;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int channels = grid.GroupChannels, taps = grid.Taps, high = grid.Height * grid.Upsampling, wide = grid.Width * grid.Upsampling;
            for (int row = start; row < start + count; row++)
            {
                int position = first + row, ow = position % grid.OutWidth, line = position / grid.OutWidth;
                int top = (line % grid.OutHeight * grid.StrideHeight) - grid.PadTop, left = (ow * grid.StrideWidth) - grid.PadLeft;
                float* picture = _x + ((long)(line / grid.OutHeight) * grid.Height * grid.Width * grid.Channels);
                float* to = _p + ((long)row * grid.Columns);
                for (int i = 0; i < grid.KernelHeight; i++)
                {
                    int h = top + (i * grid.DilationHeight);
                    for (int j = 0; j < grid.KernelWidth; j++, to++)
                    {
                        int w = left + (j * grid.DilationWidth);
                        if ((uint)h < (uint)high && (uint)w < (uint)wide)
                        {
                            long at = ((long)(h / grid.Upsampling) * grid.Width) + (w / grid.Upsampling);
                            Spread(picture + (at * grid.Channels), to, channels, taps);
                        }
                        else
                        {
                            Clear(to, channels, taps);
                        }
                    }
                }
            }
        }

        /// <summary>to[c·taps] = from[c].</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Spread(float* from, float* to, int channels, int taps)
        {
            if (taps == 1)
            {
                new ReadOnlySpan<float>(from, channels).CopyTo(new Span<float>(to, channels));
                return;
            }

            for (int c = 0; c < channels; c++, to += taps)
            {
                *to = from[c];
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Clear(float* to, int channels, int taps)
        {
            for (int c = 0; c < channels; c++, to += taps)
            {
                *to = 0;
            }
        }
    }

    private readonly struct UnpackBody(float* dp, float* dx, PatchGrid grid, int first, int rows) : IRangeBody
    {
        private readonly float* _dp = dp, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int position = start; position < start + count; position++)
            {
                int line = position / grid.Width, w = position % grid.Width, picture = line / grid.Height, h = line % grid.Height;
                float* to = _dx + ((long)position * grid.Channels);
                for (int up = 0; up < grid.Upsampling; up++)
                {
                    for (int across = 0; across < grid.Upsampling; across++)
                    {
                        Add(picture, (h * grid.Upsampling) + up, (w * grid.Upsampling) + across, to);
                    }
                }
            }
        }

        /// <summary>Adds the gradients of one position of the upsampled picture.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Add(int picture, int h, int w, float* to)
        {
            for (int i = 0; i < grid.KernelHeight; i++)
            {
                int oh = PatchPlace.Of(h, i, grid.PadTop, grid.DilationHeight, grid.StrideHeight, grid.OutHeight);
                for (int j = 0; oh >= 0 && j < grid.KernelWidth; j++)
                {
                    int ow = PatchPlace.Of(w, j, grid.PadLeft, grid.DilationWidth, grid.StrideWidth, grid.OutWidth);
                    int row = (((picture * grid.OutHeight) + oh) * grid.OutWidth) + ow - first;
                    if (ow >= 0 && (uint)row < (uint)rows)
                    {
                        float* from = _dp + ((long)row * grid.Columns) + (i * grid.KernelWidth) + j;
                        int channels = grid.GroupChannels, taps = grid.Taps;
                        for (int c = 0; c < channels; c++, from += taps)
                        {
                            to[c] += *from;
                        }
                    }
                }
            }
        }
    }
}

using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Pictures as rows of patches, so that a convolution whose stride is its size is a matrix product:
/// y[b, i·across + j, (c, u, v)] = x[b, c, i·size + u, j·size + v].</summary>
internal static unsafe class PicturePatches
{
    /// <summary>Copies pixels to patches.</summary>
    /// <param name="x">(batch, channels, height, width)</param>
    /// <param name="shape">The extents.</param>
    /// <param name="y">(batch, patches, channels·size·size)</param>
    /// <param name="pool">The threads.</param>
    public static void Extract(ReadOnlySpan<float> x, in PatchShape shape, Span<float> y, WorkerPool pool)
    {
        Sizes.AtLeast(x, shape.Pixels);
        Sizes.AtLeast<float>(y, shape.Elements);
        fixed (float* px = x, py = y)
        {
            Ranges.For(shape.Batch * shape.Down, new ExtractBody(px, shape, py), pool, 1);
        }
    }

    /// <summary>Copies or adds patches to the pixels they come from. A pixel that is in no patch gets zero.</summary>
    public static void Place(ReadOnlySpan<float> dy, in PatchShape shape, Span<float> dx, bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(dy, shape.Elements);
        Sizes.AtLeast<float>(dx, shape.Pixels);
        if (!accumulate && !shape.IsExact)
        {
            dx.Clear();
        }

        fixed (float* pd = dy, px = dx)
        {
            Ranges.For(shape.Batch * shape.Down, new PlaceBody(pd, shape, px, accumulate), pool, 1);
        }
    }

    private readonly struct ExtractBody(float* x, PatchShape shape, float* y) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (int line = start; line < start + length; line++)
            {
                float* to = _y + ((nint)line * shape.Across * shape.Columns);
                for (int at = 0; at < shape.Across * shape.Channels * shape.Size; at++)
                {
                    new ReadOnlySpan<float>(_x + First(shape, line, at), shape.Size).CopyTo(new Span<float>(to, shape.Size));
                    to += shape.Size;
                }
            }
        }
    }

    private readonly struct PlaceBody(float* dy, PatchShape shape, float* dx, bool accumulate) : IRangeBody
    {
        private readonly float* _dy = dy, _dx = dx;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int length)
        {
            for (int line = start; line < start + length; line++)
            {
                float* from = _dy + ((nint)line * shape.Across * shape.Columns);
                for (int at = 0; at < shape.Across * shape.Channels * shape.Size; at++)
                {
                    float* to = _dx + First(shape, line, at);
                    for (int v = 0; v < shape.Size; v++)
                    {
                        to[v] = accumulate ? to[v] + from[v] : from[v];
                    }

                    from += shape.Size;
                }
            }
        }
    }

    /// <summary>The pixel of a patch's row.</summary>
    /// <param name="shape">The extents.</param>
    /// <param name="line">Row of patches, of all pictures.</param>
    /// <param name="at">Patch, channel and row inside it: (j·channels + c)·size + u.</param>
    private static nint First(in PatchShape shape, int line, int at)
    {
        int u = at % shape.Size, c = at / shape.Size % shape.Channels, j = at / shape.Size / shape.Channels;
        int b = line / shape.Down, i = line % shape.Down;
        return (((((nint)b * shape.Channels) + c) * shape.Height) + (i * shape.Size) + u) * shape.Width + (j * shape.Size);
    }
}

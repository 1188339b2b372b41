using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

/// <summary>Arguments of kernels over patches; the extents are those of <see cref="PatchGrid"/>.</summary>
internal struct PackingArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> X, P;
    public int Height, Width, Channels, KernelHeight, KernelWidth, OutHeight, OutWidth, StrideHeight, StrideWidth, PadTop, PadLeft,
        DilationHeight, DilationWidth, Upsampling;

    /// <summary>First channel and channels of the group, and elements of a patch.</summary>
    public int FirstChannel, GroupChannels, Columns;

    /// <summary>Output position of the first row, and rows.</summary>
    public int First, Rows;
}

/// <summary>p[r, (c, i, j)] = x at the place that output position first + r has at (i, j), zero outside x; a thread per element.</summary>
internal readonly struct PackPatches<TElement> : IKernel<PackingArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(PackingArgs<TElement> args)
    {
        long index = Threads.Linear();
        if (index >= args.P.Length)
        {
            return;
        }

        int row = (int)(index / args.Columns), column = (int)(index - ((long)row * args.Columns));
        int taps = args.KernelHeight * args.KernelWidth, c = column / taps, tap = column - (c * taps);
        int i = tap / args.KernelWidth, j = tap - (i * args.KernelWidth);
        int position = args.First + row, line = position / args.OutWidth, ow = position - (line * args.OutWidth);
        int picture = line / args.OutHeight, oh = line - (picture * args.OutHeight);
        int h = (oh * args.StrideHeight) - args.PadTop + (i * args.DilationHeight);
        int w = (ow * args.StrideWidth) - args.PadLeft + (j * args.DilationWidth);
        bool inside = h >= 0 && w >= 0 && h < args.Height * args.Upsampling && w < args.Width * args.Upsampling;
        int y = inside ? h / args.Upsampling : 0, x = inside ? w / args.Upsampling : 0;
        long at = (((((long)picture * args.Height) + y) * args.Width) + x) * args.Channels;
        float value = TElement.ToFloat(args.X[at + args.FirstChannel + c]);
        args.P[index] = TElement.FromFloat(inside ? value : 0);
    }
}

/// <summary>dx[b, h, w, c] += Σ dp[r, (c, i, j)] over the rows and kernel positions whose patch has (h, w) at (i, j); a thread per position
/// and channel of the group.</summary>
internal readonly struct UnpackPatches<TElement> : IKernel<PackingArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(PackingArgs<TElement> args)
    {
        long index = Threads.Linear();
        long positions = args.X.Length / args.Channels;
        if (index >= positions * args.GroupChannels)
        {
            return;
        }

        int position = (int)(index / args.GroupChannels), c = (int)(index - ((long)position * args.GroupChannels));
        int line = position / args.Width, w = position - (line * args.Width);
        int picture = line / args.Height, h = line - (picture * args.Height);
        long to = ((long)position * args.Channels) + args.FirstChannel + c;
        float sum = TElement.ToFloat(args.X[to]);
        for (int up = 0; up < args.Upsampling; up++)
        {
            for (int across = 0; across < args.Upsampling; across++)
            {
                sum += SumAt(args, picture, (h * args.Upsampling) + up, (w * args.Upsampling) + across, c);
            }
        }

        args.X[to] = TElement.FromFloat(sum);
    }

    private static float SumAt(PackingArgs<TElement> args, int picture, int h, int w, int c)
    {
        int taps = args.KernelHeight * args.KernelWidth;
        float sum = 0;
        for (int i = 0; i < args.KernelHeight; i++)
        {
            int oh = PatchPlace.Of(h, i, args.PadTop, args.DilationHeight, args.StrideHeight, args.OutHeight);
            for (int j = 0; j < args.KernelWidth; j++)
            {
                int ow = PatchPlace.Of(w, j, args.PadLeft, args.DilationWidth, args.StrideWidth, args.OutWidth);
                int row = (((picture * args.OutHeight) + oh) * args.OutWidth) + ow - args.First;
                if (oh >= 0 && ow >= 0 && row >= 0 && row < args.Rows)
                {
                    sum += TElement.ToFloat(args.P[((long)row * args.Columns) + (c * taps) + (i * args.KernelWidth) + j]);
                }
            }
        }

        return sum;
    }
}

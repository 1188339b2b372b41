using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

/// <summary>Arguments of <see cref="WeightChannelsLast{TElement}"/>.</summary>
internal struct WeightChannelsLastArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Weight;
    public ArrayView<BFloat16> ChannelsLast;
    public int Channels, Taps;
}

/// <summary>Copies a weight to channels last, rounded to BF16: channelsLast[o, (i, j), c] = weight[o, c, (i, j)]. A thread per
/// output and channel, so that neighbours read neighbouring kernels and write neighbouring channels.</summary>
internal readonly struct WeightChannelsLast<TElement> : IKernel<WeightChannelsLastArgs<TElement>>
    where TElement : unmanaged, IElement<TElement>
{
    public static void Run(WeightChannelsLastArgs<TElement> args)
    {
        long kernel = Threads.Linear(), from = kernel * args.Taps;
        if (from >= args.ChannelsLast.Length)
        {
            return;
        }

        long output = kernel / args.Channels, to = (output * args.Channels * (args.Taps - 1)) + kernel;
        for (int tap = 0; tap < args.Taps; tap++)
        {
            args.ChannelsLast[to + ((long)tap * args.Channels)] = BFloat16.FromFloat(TElement.ToFloat(args.Weight[from + tap]));
        }
    }
}

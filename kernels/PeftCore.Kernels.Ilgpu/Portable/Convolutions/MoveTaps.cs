using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

/// <summary>Arguments of <see cref="MoveTaps{TElement}"/>.</summary>
internal struct MoveTapsArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Weight;
    public ArrayView<BFloat16> Moved;
    public int Channels, Taps;
}

/// <summary>moved[o, (i, j), c] = weight[o, c, (i, j)], rounded to BF16: a kernel position's channels lie together; a thread per output and
/// channel, so that neighbours read neighbouring kernels and write neighbouring channels.</summary>
internal readonly struct MoveTaps<TElement> : IKernel<MoveTapsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(MoveTapsArgs<TElement> args)
    {
        long kernel = Threads.Linear(), from = kernel * args.Taps;
        if (from >= args.Moved.Length)
        {
            return;
        }

        long output = kernel / args.Channels, to = (output * args.Channels * (args.Taps - 1)) + kernel;
        for (int tap = 0; tap < args.Taps; tap++)
        {
            args.Moved[to + ((long)tap * args.Channels)] = BFloat16.FromFloat(TElement.ToFloat(args.Weight[from + tap]));
        }
    }
}

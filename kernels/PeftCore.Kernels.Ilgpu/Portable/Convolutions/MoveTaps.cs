using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Convolutions;

/// <summary>Arguments of <see cref="MoveTaps{TElement}"/>.</summary>
internal struct MoveTapsArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Weight;
    public ArrayView<BFloat16> Moved;
    public int Channels, Taps;
}

/// <summary>moved[o, (i, j), c] = weight[o, c, (i, j)], rounded to BF16: a kernel position's channels lie together; a thread per
/// element.</summary>
internal readonly struct MoveTaps<TElement> : IKernel<MoveTapsArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(MoveTapsArgs<TElement> args)
    {
        long index = Threads.Linear();
        if (index >= args.Moved.Length)
        {
            return;
        }

        int line = (int)(index / args.Channels), c = (int)(index - ((long)line * args.Channels));
        int o = line / args.Taps, tap = line - (o * args.Taps);
        args.Moved[index] = BFloat16.FromFloat(TElement.ToFloat(args.Weight[((((long)o * args.Channels) + c) * args.Taps) + tap]));
    }
}

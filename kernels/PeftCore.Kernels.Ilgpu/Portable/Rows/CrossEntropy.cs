using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct CrossEntropyArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Logits;
    public ArrayView<float> Losses;
    public ArrayView<int> Labels;
    public int Columns, IgnoreLabel, WriteGradient;
    public float Scale;
}

/// <summary>losses[r] = logsumexp(logits[r]) − logits[r, label]; with WriteGradient the logits become (softmax − onehot)·scale. A label out
/// of range gives NaN, because a kernel cannot throw.</summary>
internal readonly struct CrossEntropyRows<TElement> : IKernel<CrossEntropyArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(CrossEntropyArgs<TElement> args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int r = Grid.IdxX, label = args.Labels[r];
        long row = (long)r * args.Columns;
        if (label == args.IgnoreLabel)
        {
            for (int c = Group.IdxX; c < args.Columns && args.WriteGradient != 0; c += Group.DimX)
            {
                args.Logits[row + c] = TElement.FromFloat(0);
            }

            if (Group.IdxX == 0)
            {
                args.Losses[r] = 0;
            }

            return;
        }

        float max = float.NegativeInfinity;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            float x = TElement.ToFloat(args.Logits[row + c]);
            max = x > max ? x : max;
        }

        max = Threads.Max(shared, max);
        float sum = 0;
        for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
        {
            sum += MathF.Exp(TElement.ToFloat(args.Logits[row + c]) - max);
        }

        sum = Threads.Sum(shared, sum);
        if (Group.IdxX == 0)
        {
            float target = float.NaN;
            if (label >= 0 && label < args.Columns)
            {
                target = TElement.ToFloat(args.Logits[row + label]);
            }

            args.Losses[r] = MathF.Log(sum) + (max - target);
        }

        Group.Barrier(); // The target is read before the gradient overwrites it.
        if (args.WriteGradient != 0)
        {
            float factor = args.Scale / sum;
            for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
            {
                float p = MathF.Exp(TElement.ToFloat(args.Logits[row + c]) - max) * factor;
                args.Logits[row + c] = TElement.FromFloat(c == label ? p - args.Scale : p);
            }
        }
    }
}

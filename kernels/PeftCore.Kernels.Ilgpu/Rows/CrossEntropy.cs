using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

internal struct CrossEntropyArgs
{
    public ArrayView<float> Logits, Losses;
    public ArrayView<int> Labels;
    public int Columns, IgnoreLabel, WriteGradient;
    public float Scale;
}

/// <summary>losses[r] = logsumexp(logits[r]) − logits[r, label]; on request the logits become (softmax − onehot)·scale. A label that is
/// no class gives NaN, since a kernel cannot throw.</summary>
internal readonly struct CrossEntropyRows : IKernel<CrossEntropyArgs>
{
    public static void Run(CrossEntropyArgs args)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads.Most);
        int r = Grid.IdxX, label = args.Labels[r];
        long row = (long)r * args.Columns;
        if (label == args.IgnoreLabel)
        {
            for (int c = Group.IdxX; c < args.Columns && args.WriteGradient != 0; c += Group.DimX)
            {
                args.Logits[row + c] = 0;
            }

            if (Group.IdxX == 0)
            {
                args.Losses[r] = 0;
            }

            return;
        }

        float max = Reduce.Max(shared, args.Logits, row, args.Columns);
        float sum = Reduce.SumOfExponentials(shared, args.Logits, row, args.Columns, max);
        if (Group.IdxX == 0)
        {
            float target = float.NaN;
            if (label >= 0 && label < args.Columns)
            {
                target = args.Logits[row + label];
            }

            args.Losses[r] = MathF.Log(sum) + (max - target);
        }

        Group.Barrier(); // The target is read before its place takes the gradient.
        if (args.WriteGradient != 0)
        {
            float factor = args.Scale / sum;
            for (int c = Group.IdxX; c < args.Columns; c += Group.DimX)
            {
                float p = MathF.Exp(args.Logits[row + c] - max) * factor;
                args.Logits[row + c] = c == label ? p - args.Scale : p;
            }
        }
    }
}

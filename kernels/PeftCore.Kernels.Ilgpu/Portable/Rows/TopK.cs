using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct TopKArgs
{
    public ArrayView<float> X, Y;
    public int Rows, Columns, K;
}

/// <summary>Softmax of the k largest of each row, zero elsewhere; of equal elements the first is chosen. One thread per row.</summary>
internal readonly struct TopKForward : IKernel<TopKArgs>
{
    public static void Run(TopKArgs args)
    {
        long row = Threads.Linear();
        if (row < args.Rows)
        {
            long at = row * args.Columns;
            for (int c = 0; c < args.Columns; c++)
            {
                args.Y[at + c] = 0;
            }

            float max = 0, sum = 0;
            int last = -1;
            for (int i = 0; i < args.K; i++)
            {
                int best = Next(args, at, last);
                max = i == 0 ? args.X[at + best] : max;
                float value = MathF.Exp(args.X[at + best] - max);
                args.Y[at + best] = value;
                sum += value;
                last = best;
            }

            for (int c = 0; c < args.Columns; c++)
            {
                args.Y[at + c] /= sum;
            }
        }
    }

    /// <summary>The position of the next largest: below the last one, or equal to it and after it.</summary>
    private static int Next(TopKArgs args, long at, int last)
    {
        int best = -1;
        float limit = last < 0 ? 0 : args.X[at + last], found = 0;
        for (int c = 0; c < args.Columns; c++)
        {
            float value = args.X[at + c];
            bool free = last < 0 || value < limit || (value == limit && c > last);
            if (free && (best < 0 || value > found))
            {
                best = c;
                found = value;
            }
        }

        return best < 0 ? 0 : best;
    }
}

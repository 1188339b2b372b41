using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Experts;

/// <summary>Arguments of the kernels of a stable counting sort of pairs by expert. Pairs are cut into chunks; Counts (chunks, experts)
/// holds the pairs of each expert in a chunk, and then those in earlier chunks.</summary>
internal struct ExpertSortArgs
{
    public ArrayView<int> Chosen, Order, Position, Sorted, Offsets, Counts;
    public int Pairs, Experts, Chunk, Chunks;
}

/// <summary>Pass 1: the pairs of each expert in each chunk; a thread per chunk and expert.</summary>
internal readonly struct ExpertCounts : IKernel<ExpertSortArgs>
{
    public static void Run(ExpertSortArgs args)
    {
        long i = Threads.Linear();
        if (i < (long)args.Chunks * args.Experts)
        {
            int first = (int)(i / args.Experts) * args.Chunk, expert = (int)(i % args.Experts), count = 0;
            int last = first + args.Chunk < args.Pairs ? first + args.Chunk : args.Pairs;
            for (int q = first; q < last; q++)
            {
                count += args.Chosen[q] == expert ? 1 : 0;
            }

            args.Counts[i] = count;
        }
    }
}

/// <summary>Pass 2: sums over earlier chunks, and the pairs of each expert; a thread per expert.</summary>
internal readonly struct ExpertTotals : IKernel<ExpertSortArgs>
{
    public static void Run(ExpertSortArgs args)
    {
        long expert = Threads.Linear();
        if (expert < args.Experts)
        {
            int sum = 0;
            for (int chunk = 0; chunk < args.Chunks; chunk++)
            {
                long at = ((long)chunk * args.Experts) + expert;
                int count = args.Counts[at];
                args.Counts[at] = sum;
                sum += count;
            }

            args.Counts[((long)args.Chunks * args.Experts) + expert] = sum;
        }
    }
}

/// <summary>Pass 3: the first row of each expert; a thread per expert, and one for the end.</summary>
internal readonly struct ExpertOffsets : IKernel<ExpertSortArgs>
{
    public static void Run(ExpertSortArgs args)
    {
        long expert = Threads.Linear();
        if (expert <= args.Experts)
        {
            int sum = 0;
            for (int e = 0; e < expert; e++)
            {
                sum += args.Counts[((long)args.Chunks * args.Experts) + e];
            }

            args.Offsets[expert] = sum;
        }
    }
}

/// <summary>Pass 4: the row of each pair; a thread per chunk and expert.</summary>
internal readonly struct ExpertPlaces : IKernel<ExpertSortArgs>
{
    public static void Run(ExpertSortArgs args)
    {
        long i = Threads.Linear();
        if (i < (long)args.Chunks * args.Experts)
        {
            int first = (int)(i / args.Experts) * args.Chunk, expert = (int)(i % args.Experts);
            int last = first + args.Chunk < args.Pairs ? first + args.Chunk : args.Pairs;
            int row = args.Offsets[expert] + args.Counts[i];
            for (int q = first; q < last; q++)
            {
                if (args.Chosen[q] == expert)
                {
                    args.Order[row] = q;
                    args.Position[q] = row;
                    args.Sorted[row] = expert;
                    row++;
                }
            }
        }
    }
}

using System.Buffers;

namespace PeftCore.Kernels;

public static unsafe partial class Optimizers
{
    /// <summary>One parameter's share in a step over many: its settings, and where its numbers lie.</summary>
    /// <param name="settings">AdamW's settings for it.</param>
    /// <param name="parameter">The values.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="first">The first moment.</param>
    /// <param name="second">The second moment.</param>
    /// <param name="length">How many elements each has.</param>
    internal readonly struct AdamTask(AdamW settings, float* parameter, float* gradient, float* first, float* second, int length)
    {
        internal int Length => length;

        internal AdamBody Body(float gradientScale) => new(AdamFactors.Of(settings, gradientScale), parameter, gradient, first, second);
    }

    /// <summary>One AdamW step of many parameters, shared out over the threads as one job: adapters are many small tensors, and a job for
    /// each would cost more than its arithmetic.</summary>
    internal static void Step(ReadOnlySpan<AdamTask> tasks, float gradientScale, WorkerPool pool)
    {
        var bodies = ArrayPool<AdamBody>.Shared.Rent(tasks.Length);
        int[] lengths = ArrayPool<int>.Shared.Rent(tasks.Length), ends = ArrayPool<int>.Shared.Rent(tasks.Length);
        int blocks = 0;
        for (int i = 0; i < tasks.Length; i++)
        {
            bodies[i] = tasks[i].Body(gradientScale);
            lengths[i] = tasks[i].Length;
            ends[i] = blocks += Ranges.Count(lengths[i], Ranges.Elements);
        }

        AdamBlocks body = new(tasks.Length, bodies, lengths, ends);
        pool.For(blocks, ref body);
        ArrayPool<int>.Shared.Return(lengths);
        ArrayPool<int>.Shared.Return(ends);
        ArrayPool<AdamBody>.Shared.Return(bodies);
    }

    private readonly struct AdamBlocks(int tasks, AdamBody[] bodies, int[] lengths, int[] ends) : IParallelBody
    {
        public void Run(int block)
        {
            // The first task whose blocks end behind this one.
            int task = Array.BinarySearch(ends, 0, tasks, block + 1);
            task = task < 0 ? ~task : task;
            while (task > 0 && ends[task - 1] > block)
            {
                task--; // Empty tasks end where the one before them does.
            }

            int start = (block - (ends[task] - Ranges.Count(lengths[task], Ranges.Elements))) * Ranges.Elements;
            bodies[task].Run(start, Math.Min(Ranges.Elements, lengths[task] - start));
        }
    }
}

using System.Runtime.CompilerServices;
using System.Buffers;

namespace PeftCore.Kernels;

internal static unsafe partial class Optimizers
{
    /// <summary>One parameter in a multi-tensor step: its hyperparameters and the addresses of its tensors.</summary>
    /// <param name="settings">Hyperparameters.</param>
    /// <param name="parameter">The values.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="first">The first moment.</param>
    /// <param name="second">The second moment.</param>
    /// <param name="length">Elements of each tensor.</param>
    internal readonly struct AdamTask(AdamW settings, float* parameter, float* gradient, float* first, float* second, int length)
    {
        internal int Length => length;

        internal AdamBody Body(float gradientScale) => new(AdamFactors.Of(settings, gradientScale), parameter, gradient, first, second);
    }

    /// <summary>One AdamW step of many parameters in one parallel loop. Adapters are many small tensors, and a loop for each would cost
    /// more than its arithmetic. The readable twin is the step of one parameter.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int block)
        {
            // The first task that ends after this block.
            int task = Array.BinarySearch(ends, 0, tasks, block + 1);
            task = task < 0 ? ~task : task;
            while (task > 0 && ends[task - 1] > block)
            {
                task--; // An empty task has the same end as the task before it.
            }

            int start = (block - (ends[task] - Ranges.Count(lengths[task], Ranges.Elements))) * Ranges.Elements;
            bodies[task].Run(start, Math.Min(Ranges.Elements, lengths[task] - start));
        }
    }
}

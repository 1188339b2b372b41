using System.Buffers;
using System.Runtime.CompilerServices;

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

    /// <summary>One AdamW step of many parameters in one parallel loop. The readable twin is the step of one parameter.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Step(ReadOnlySpan<AdamTask> tasks, float gradientScale, WorkerPool pool)
    {
        var bodies = ArrayPool<AdamBody>.Shared.Rent(tasks.Length);
        int[] lengths = ArrayPool<int>.Shared.Rent(tasks.Length);
        for (int i = 0; i < tasks.Length; i++)
        {
            bodies[i] = tasks[i].Body(gradientScale);
            lengths[i] = tasks[i].Length;
        }

        MultiTensorLoop.For(bodies, lengths.AsSpan(0, tasks.Length), pool);
        ArrayPool<int>.Shared.Return(lengths);
        ArrayPool<AdamBody>.Shared.Return(bodies);
    }
}

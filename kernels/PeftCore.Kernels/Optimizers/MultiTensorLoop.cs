using System.Buffers;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>One parallel loop over the elements of many tensors (multi-tensor apply). Adapters are many small tensors, and a loop for each
/// would cost more than its arithmetic. The readable twin is a loop for each tensor.</summary>
internal static class MultiTensorLoop
{
    /// <summary>Runs the body of each tensor over its elements, in blocks that start at multiples of
    /// <see cref="Ranges.Elements"/>.</summary>
    /// <param name="bodies">A body for each tensor.</param>
    /// <param name="lengths">The elements of each tensor.</param>
    /// <param name="pool">The threads.</param>
    public static void For<TBody>(TBody[] bodies, ReadOnlySpan<int> lengths, WorkerPool pool) where TBody : struct, IRangeBody
    {
        int[] kept = ArrayPool<int>.Shared.Rent(lengths.Length), ends = ArrayPool<int>.Shared.Rent(lengths.Length);
        lengths.CopyTo(kept);
        int blocks = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            ends[i] = blocks += Ranges.Count(lengths[i], Ranges.Elements);
        }

        Blocks<TBody> body = new(lengths.Length, bodies, kept, ends);
        pool.For(blocks, ref body);
        ArrayPool<int>.Shared.Return(kept);
        ArrayPool<int>.Shared.Return(ends);
    }

    private readonly struct Blocks<TBody>(int tensors, TBody[] bodies, int[] lengths, int[] ends) : IParallelBody
        where TBody : struct, IRangeBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int block)
        {
            // The first tensor that ends after this block.
            int tensor = Array.BinarySearch(ends, 0, tensors, block + 1);
            tensor = tensor < 0 ? ~tensor : tensor;
            while (tensor > 0 && ends[tensor - 1] > block)
            {
                tensor--; // An empty tensor has the same end as the tensor before it.
            }

            int start = (block - (ends[tensor] - Ranges.Count(lengths[tensor], Ranges.Elements))) * Ranges.Elements;
            bodies[tensor].Run(start, Math.Min(Ranges.Elements, lengths[tensor] - start));
        }
    }
}

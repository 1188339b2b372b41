using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Rows of tokens to rows of experts and back (dispatch and combine of Lepikhin et al. 2020, "GShard").</summary>
internal static unsafe class ExpertRows
{
    /// <summary>y[p, :] (+)= x[order[p]/k, :].</summary>
    public static void Dispatch(ReadOnlySpan<float> x, ReadOnlySpan<int> order, Span<float> y, int pairs, int k, int columns,
        bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)pairs / Math.Max(k, 1) * columns);
        Sizes.AtLeast(order, pairs);
        Sizes.AtLeast<float>(y, (long)pairs * columns);
        fixed (float* px = x, py = y)
        fixed (int* po = order)
        {
            Ranges.ForRows(pairs, columns, new DispatchBody(px, po, py, k, columns, accumulate), pool);
        }
    }

    /// <summary>y[n, :] (+)= Σ_j x[position[n·k + j], :].</summary>
    public static void Combine(ReadOnlySpan<float> x, ReadOnlySpan<int> position, Span<float> y, int tokens, int k, int columns,
        bool accumulate, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)tokens * k * columns);
        Sizes.AtLeast(position, (long)tokens * k);
        Sizes.AtLeast<float>(y, (long)tokens * columns);
        fixed (float* px = x, py = y)
        fixed (int* pp = position)
        {
            Ranges.ForRows(tokens, columns * k, new CombineBody(px, pp, py, k, columns, accumulate), pool);
        }
    }

    private readonly struct DispatchBody(float* x, int* order, float* y, int k, int columns, bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _y = y;
        private readonly int* _order = order;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int p = start; p < start + count; p++)
            {
                float* from = _x + ((long)(_order[p] / k) * columns), to = _y + ((long)p * columns);
                if (accumulate)
                {
                    VectorLoops.Zip<Sum, Overwrite>(default, to, from, to, columns);
                }
                else
                {
                    Buffer.MemoryCopy(from, to, columns * sizeof(float), columns * sizeof(float));
                }
            }
        }
    }

    private readonly struct CombineBody(float* x, int* position, float* y, int k, int columns, bool accumulate) : IRangeBody
    {
        private readonly float* _x = x, _y = y;
        private readonly int* _position = position;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int n = start; n < start + count; n++)
            {
                float* to = _y + ((long)n * columns);
                if (!accumulate)
                {
                    new Span<float>(to, columns).Clear();
                }

                for (int j = 0; j < k; j++)
                {
                    VectorLoops.Zip<Sum, Overwrite>(default, to, _x + ((long)_position[((long)n * k) + j] * columns), to, columns);
                }
            }
        }
    }
}

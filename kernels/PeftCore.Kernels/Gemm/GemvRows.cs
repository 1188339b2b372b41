using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The product of few rows with a B whose rows are the steps (decoding with weights stored input by output). It reads whole rows of B from
/// left to right: a strip of 32 columns would touch one memory page per row. <see cref="GemvPartition"/> splits k and columns. Held to the
/// triple loop of GemmTests.
/// </summary>
internal static unsafe class GemvRows<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // Columns per pass, whose part of eight rows of B stays in the first-level cache for all rows of A; and rows of B per pass.
    private const int Tile = 512, Steps = 8;

    /// <summary>Whether the product has few rows, each of which gets the same sums as if it were alone.</summary>
    public static bool Suits(in MatrixProduct product) =>
        !product.B.StepsAdjacent && !product.B.IsQuantized && product.ColumnStride == 1
            && product.N >= TSimd.Count && product.M <= Gemm.MaxInvariantRows;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        // α·A in float32, padded with zeros to a multiple of eight steps.
        nint length = (nint)Ranges.Count(product.K, Steps) * Steps;
        GemvPartition cut = new(product, TSimd.Count, Steps, product.M);
        using var scratch = pool.Scratch.Rent((product.M * length) + cut.SumLength);
        for (int row = 0; row < product.M; row++)
        {
            float* a = scratch.Pointer + (row * length);
            product.A.Pack(row, 1, 1, 0, product.K, a);
            for (int p = 0; p < product.K; p++)
            {
                a[p] *= product.Alpha;
            }
        }

        float* sums = scratch.Pointer + (product.M * length);
        ElementDispatch.Run(product.B.Type, new Action(product, scratch.Pointer, length, sums, cut, pool));
        cut.AddUp(product, sums, pool);
    }

    private readonly struct Action(MatrixProduct product, float* a, nint length, float* sums, GemvPartition cut, WorkerPool pool)
        : IElementAction
    {
        private readonly float* _a = a, _sums = sums;

        public void Run<TElement>()
            where TElement : struct, IElement
        {
            Body<TElement> body = new(product, _a, length, _sums, cut);
            pool.For(cut.Items, ref body);
        }
    }

    private readonly struct Body<TElement>(MatrixProduct product, float* a, nint length, float* sums, GemvPartition cut) : IParallelBody
        where TElement : struct, IElement
    {
        private readonly float* _a = a, _sums = sums;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            (int step, int end) = cut.Steps(item, product.K);
            (int start, int columns) = cut.Columns(item, product.N);
            float* c = cut.Sums(_sums, item);
            nint stride = cut.SumStride;
            for (int row = 0; row < product.M; row++)
            {
                new Span<float>(c + (row * stride) + start, columns).Clear();
            }

            for (; step <= end - Steps; step += Steps)
            {
                for (int column = start; column < start + columns; column += Tile)
                {
                    int count = Math.Min(Tile, start + columns - column);
                    for (int row = 0; row < product.M; row++)
                    {
                        float* factors = _a + (row * length) + step, into = c + (row * stride) + column;
                        if (row == 0)
                        {
                            AddRows<WithPrefetch>(factors, product.B.At(column, step), into, count);
                        }
                        else
                        {
                            AddRows<NoPrefetch>(factors, product.B.At(column, step), into, count);
                        }
                    }
                }
            }

            for (; step < end; step++)
            {
                for (int row = 0; row < product.M; row++)
                {
                    float factor = _a[(row * length) + step];
                    byte* b = product.B.At(start, step);
                    float* into = c + (row * stride) + start;
                    for (int j = 0; j < columns; j++)
                    {
                        into[j] += factor * TElement.Load(b + (j * TElement.Size));
                    }
                }
            }
        }

        // c += Σ a[p]·(row p of b) over eight rows of b. The first row of A also prefetches the next eight rows of b.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AddRows<TPrefetch>(float* a, byte* b, float* c, int count)
            where TPrefetch : struct, IPrefetchPolicy
        {
            nint stride = product.B.Stride * TElement.Size;
            byte* b3 = b + (3 * stride), b6 = b + (6 * stride);
            TVector a0 = TSimd.Broadcast(a[0]), a1 = TSimd.Broadcast(a[1]), a2 = TSimd.Broadcast(a[2]), a3 = TSimd.Broadcast(a[3]);
            TVector a4 = TSimd.Broadcast(a[4]), a5 = TSimd.Broadcast(a[5]), a6 = TSimd.Broadcast(a[6]), a7 = TSimd.Broadcast(a[7]);
            int j = 0;
            for (; j <= count - TSimd.Count; j += TSimd.Count)
            {
                nint at = j * TElement.Size;
                if (TPrefetch.Enabled && Prefetch.IsDue(at))
                {
                    byte* next = b + (8 * stride) + at, next3 = next + (3 * stride), next6 = next3 + (3 * stride);
                    Prefetch.ToL2(next);
                    Prefetch.ToL2(next + stride);
                    Prefetch.ToL2(next + (2 * stride));
                    Prefetch.ToL2(next3);
                    Prefetch.ToL2(next3 + stride);
                    Prefetch.ToL2(next3 + (2 * stride));
                    Prefetch.ToL2(next6);
                    Prefetch.ToL2(next6 + stride);
                }

                var even = TSimd.MultiplyAdd(a0, TSimd.Load<TElement>(b + at), TSimd.Load<Float32Element>((byte*)(c + j)));
                var odd = TSimd.Multiply(a1, TSimd.Load<TElement>(b + stride + at));
                even = TSimd.MultiplyAdd(a2, TSimd.Load<TElement>(b + (2 * stride) + at), even);
                odd = TSimd.MultiplyAdd(a3, TSimd.Load<TElement>(b3 + at), odd);
                even = TSimd.MultiplyAdd(a4, TSimd.Load<TElement>(b3 + stride + at), even);
                odd = TSimd.MultiplyAdd(a5, TSimd.Load<TElement>(b3 + (2 * stride) + at), odd);
                even = TSimd.MultiplyAdd(a6, TSimd.Load<TElement>(b6 + at), even);
                odd = TSimd.MultiplyAdd(a7, TSimd.Load<TElement>(b6 + stride + at), odd);
                TSimd.Store(TSimd.Add(even, odd), c + j);
            }

            for (; j < count; j++)
            {
                byte* from = b + (j * TElement.Size);
                for (int p = 0; p < Steps; p++, from += stride)
                {
                    c[j] += a[p] * TElement.Load(from);
                }
            }
        }
    }

    /// <summary>Whether a pass prefetches, as a type argument, so that the check costs nothing.</summary>
    private interface IPrefetchPolicy
    {
        static abstract bool Enabled { get; }
    }

    private readonly struct WithPrefetch : IPrefetchPolicy
    {
        static bool IPrefetchPolicy.Enabled => true;
    }

    private readonly struct NoPrefetch : IPrefetchPolicy
    {
        static bool IPrefetchPolicy.Enabled => false;
    }
}

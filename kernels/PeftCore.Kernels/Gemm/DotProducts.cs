using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>
/// C (+)= α·A·Bᵀ with few columns of C and an A whose rows are contiguous along k: every element of C is a dot product, and the large
/// operand is read once, in place. Used to decode a token of one or several texts, and for rank-8 projections. Tested against the triple
/// loop of GemmTests. All tiles add up a dot product in one order: a vector of sums for each 1,024 steps, which are then added to C in
/// turn. A quantised A is dequantised 1,024 steps of some rows at a time, into a buffer in the first-level cache.</summary>
internal static unsafe class DotProducts<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>The most columns of C if A has many rows.</summary>
    public const int MaxColumns = 8;

    // Steps of a sum, of which eight rows of B stay in the first-level cache; floats of A per item; bytes of A to prefetch ahead.
    private const int Steps = 1024, ReadAtOnce = 65536, PrefetchBytes = 16384;

    /// <summary>C (+)= alpha·A·Bᵀ with a large A and few columns of C.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        int few = product.N == 1 ? 1 : Ranges.Count(product.N, 4) * 4;
        nint length = (nint)Ranges.Count(product.K, TSimd.Count) * TSimd.Count;
        using var scratch = pool.Scratch.Rent(few * length);
        for (int row = 0; row < few; row++)
        {
            // Rows of B in float32, with zeros after the last step and in rows that B does not have.
            float* into = scratch.Pointer + (row * length);
            new Span<float>(into, (int)length).Clear();
            if (row < product.N)
            {
                product.B.Pack(row, 1, 1, 0, product.K, into);
            }
        }

        int block = Math.Max(4, ReadAtOnce / product.K / 4 * 4);
        ElementDispatch.Run(product.A.Type, new Action(product, scratch.Pointer, few, length, block, pool));
    }

    private readonly struct Action(MatrixProduct product, float* rows, int few, nint length, int block, WorkerPool pool) : IElementAction
    {
        private readonly float* _rows = rows;

        public void Run<TElement>()
            where TElement : struct, IElement =>
            Ranges.For(product.M, new Body<TElement>(product, _rows, few, length, pool), pool, block);
    }

    private readonly struct Body<TElement>(MatrixProduct product, float* rows, int few, nint length, WorkerPool pool) : IRangeBody
        where TElement : struct, IElement
    {
        private readonly float* _rows = rows;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int end = start + count, rows = few == 1 ? 4 : 2;
            if (product.A.IsQuantized)
            {
                RunQuantized(start, end, rows);
                return;
            }

            nint row = product.A.Stride * TElement.Size, ahead = Math.Max(1, PrefetchBytes / (rows * row)) * rows * row;
            if (few == 1)
            {
                // Whole rows in turn, as they lie in memory.
                for (int i = start; i < end; i += rows)
                {
                    for (int step = 0; step < product.K; step += Steps)
                    {
                        Gemv4(product.A.At(i, step), i, Math.Min(rows, end - i), row, step, Math.Min(Steps, product.K - step), ahead,
                            product.Accumulate || step > 0);
                    }
                }
                return;
            }

            for (int step = 0; step < product.K; step += Steps)
            {
                for (int i = start; i < end; i += rows)
                {
                    // A missing row is read as the first one again, and its result is dropped.
                    Gemm2(product.A.At(i, step), i, Math.Min(rows, end - i), row, step, Math.Min(Steps, product.K - step), ahead,
                        product.Accumulate || step > 0);
                }
            }
        }

        // Whole rows in turn, so that codes are read as they lie in memory.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void RunQuantized(int start, int end, int rows)
        {
            using var scratch = pool.Scratch.Rent(4 * Steps);
            byte* buffer = (byte*)scratch.Pointer;
            const nint Row = Steps * sizeof(float);
            for (int i = start; i < end; i += rows)
            {
                int present = Math.Min(rows, end - i);
                bool direct = few == 1 && present == 4 && TSimd.Count == Vector512<float>.Count && FourBitDots.Suits(product.A.Quantized);
                for (int step = 0; step < product.K; step += Steps)
                {
                    int steps = Math.Min(Steps, product.K - step);
                    if (direct)
                    {
                        var dots = FourBitDots.FourByOne(product.A.Quantized, i, step, steps, _rows + step);
                        Put(product.C + (i * product.RowStride), product.RowStride, dots, 4, product.Accumulate || step > 0);
                        continue;
                    }

                    for (int r = 0; r < present; r++)
                    {
                        product.A.LoadRow(i + r, step, steps, scratch.Pointer + (r * Steps));
                    }

                    if (few == 1)
                    {
                        Gemv4(buffer, i, present, Row, step, steps, 0, product.Accumulate || step > 0);
                    }
                    else
                    {
                        Gemm2(buffer, i, present, Row, step, steps, 0, product.Accumulate || step > 0);
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Gemv4(byte* x, int i, int present, nint row, int step, int steps, nint ahead, bool accumulate)
        {
            if (present == 4)
            {
                var dots = DotTiles<TSimd, TVector>.FourByOne<TElement>(x, row, _rows + step, steps, ahead);
                Put(product.C + (i * product.RowStride), product.RowStride, dots, 4, accumulate);
                return;
            }

            for (int r = 0; r < present; r++)
            {
                var dots = DotTiles<TSimd, TVector>.FourByOne<TElement>(x + (r * row), 0, _rows + step, steps, ahead);
                Put(product.C + ((i + r) * product.RowStride), product.RowStride, dots, 1, accumulate);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Gemm2(byte* x, int i, int present, nint row, int step, int steps, nint ahead, bool accumulate)
        {
            nint second = present == 2 ? row : 0;
            for (int j = 0; j < few; j += 4, ahead = 0)
            {
                float* z = _rows + (j * length) + step;
                Vector128<float> dotsX, dotsY;
                if (TSimd.Count == Vector512<float>.Count && few - j > 4)
                {
                    DotTiles<TSimd, TVector>.TwoByEight<TElement>(
                        x, second, z, length, steps, ahead, out dotsX, out var moreX, out dotsY, out var moreY);
                    Put(i, j + 4, present, moreX, moreY, accumulate);
                    Put(i, j, present, dotsX, dotsY, accumulate);
                    j += 4;
                    continue;
                }

                DotTiles<TSimd, TVector>.TwoByFour<TElement>(x, second, z, length, steps, ahead, out dotsX, out dotsY);
                Put(i, j, present, dotsX, dotsY, accumulate);
            }
        }

        private void Put(int i, int j, int present, Vector128<float> dotsX, Vector128<float> dotsY, bool accumulate)
        {
            int columns = Math.Min(4, product.N - j);
            float* c = product.C + (i * product.RowStride) + (j * product.ColumnStride);
            Put(c, product.ColumnStride, dotsX, columns, accumulate);
            if (present == 2)
            {
                Put(c + product.RowStride, product.ColumnStride, dotsY, columns, accumulate);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Put(float* c, nint stride, Vector128<float> dots, int count, bool accumulate)
        {
            dots *= product.Alpha;
            if (stride == 1 && count == 4)
            {
                (accumulate ? Vector128.Load(c) + dots : dots).Store(c);
                return;
            }

            for (int j = 0; j < count; j++, c += stride)
            {
                *c = accumulate ? *c + dots[j] : dots[j];
            }
        }
    }
}

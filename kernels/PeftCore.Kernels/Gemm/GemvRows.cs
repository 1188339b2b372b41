using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The product of a few rows with a matrix whose steps are its rows (decoding with weights stored input by output): whole rows of
/// B are swept from left to right, since a strip of 32 columns would touch a memory page for each of its lines. Items are some steps by
/// some columns; what the steps' items have summed is added up at the end, in the same order whatever the number of threads.
/// </summary>
internal static unsafe class GemvRows<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    // Columns that stay in the first-level cache for all rows of A.
    private const int Tile = 512, Steps = 8;

    /// <summary>Whether sweeping is better than tiles, which take four rows at a time.</summary>
    public static bool Suits(in MatrixProduct product) =>
        !product.B.StepsAdjacent && product.ColumnStride == 1 && product.N >= TLanes.Count && product.M <= (product.N < 64 ? 4 : 2);

    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        // Rows of A in float32 with alpha in them, and zeros up to a whole number of sweeps.
        nint length = (nint)Ranges.Count(product.K, Steps) * Steps;
        GemvPartition cut = new(product, TLanes.Count, Steps, product.M);
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
        switch (product.B.Type)
        {
            case ElementType.F32:
                Run<StoredF32>(product, scratch.Pointer, length, sums, cut, pool);
                break;
            case ElementType.BF16:
                Run<StoredBF16>(product, scratch.Pointer, length, sums, cut, pool);
                break;
            default:
                Run<StoredF16>(product, scratch.Pointer, length, sums, cut, pool);
                break;
        }

        cut.AddUp(product, sums, pool);
    }

    private static void Run<TStored>(in MatrixProduct product, float* a, nint length, float* sums, GemvPartition cut, WorkerPool pool)
        where TStored : struct, IStored
    {
        Body<TStored> body = new(product, a, length, sums, cut);
        pool.For(cut.Items, ref body);
    }

    private readonly struct Body<TStored>(MatrixProduct product, float* a, nint length, float* sums, GemvPartition cut) : IParallelBody
        where TStored : struct, IStored
    {
        private readonly float* _a = a, _sums = sums;

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
                            Sweep<Asks>(factors, product.B.At(column, step), into, count);
                        }
                        else
                        {
                            Sweep<Silent>(factors, product.B.At(column, step), into, count);
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
                        into[j] += factor * TStored.Load(b + (j * TStored.Size));
                    }
                }
            }
        }

        // c += Σ a[p]·(row p of b), eight rows at a time. The first to read them asks for the next eight, which are needed after the other
        // tiles.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sweep<TAsk>(float* a, byte* b, float* c, int count)
            where TAsk : struct, IAsk
        {
            nint stride = product.B.Stride * TStored.Size;
            byte* b3 = b + (3 * stride), b6 = b + (6 * stride);
            TVector a0 = TLanes.Broadcast(a[0]), a1 = TLanes.Broadcast(a[1]), a2 = TLanes.Broadcast(a[2]), a3 = TLanes.Broadcast(a[3]);
            TVector a4 = TLanes.Broadcast(a[4]), a5 = TLanes.Broadcast(a[5]), a6 = TLanes.Broadcast(a[6]), a7 = TLanes.Broadcast(a[7]);
            int j = 0;
            for (; j <= count - TLanes.Count; j += TLanes.Count)
            {
                nint at = j * TStored.Size;
                if (TAsk.Asks && Prefetch.IsDue(at))
                {
                    byte* next = b + (8 * stride) + at, next3 = next + (3 * stride), next6 = next3 + (3 * stride);
                    Prefetch.Ask(next);
                    Prefetch.Ask(next + stride);
                    Prefetch.Ask(next + (2 * stride));
                    Prefetch.Ask(next3);
                    Prefetch.Ask(next3 + stride);
                    Prefetch.Ask(next3 + (2 * stride));
                    Prefetch.Ask(next6);
                    Prefetch.Ask(next6 + stride);
                }

                var even = TLanes.MultiplyAdd(a0, TLanes.Load<TStored>(b + at), TLanes.Load<StoredF32>((byte*)(c + j)));
                var odd = TLanes.Multiply(a1, TLanes.Load<TStored>(b + stride + at));
                even = TLanes.MultiplyAdd(a2, TLanes.Load<TStored>(b + (2 * stride) + at), even);
                odd = TLanes.MultiplyAdd(a3, TLanes.Load<TStored>(b3 + at), odd);
                even = TLanes.MultiplyAdd(a4, TLanes.Load<TStored>(b3 + stride + at), even);
                odd = TLanes.MultiplyAdd(a5, TLanes.Load<TStored>(b3 + (2 * stride) + at), odd);
                even = TLanes.MultiplyAdd(a6, TLanes.Load<TStored>(b6 + at), even);
                odd = TLanes.MultiplyAdd(a7, TLanes.Load<TStored>(b6 + stride + at), odd);
                TLanes.Store(TLanes.Add(even, odd), c + j);
            }

            for (; j < count; j++)
            {
                byte* from = b + (j * TStored.Size);
                for (int p = 0; p < Steps; p++, from += stride)
                {
                    c[j] += a[p] * TStored.Load(from);
                }
            }
        }
    }

    /// <summary>Whether a sweep asks for the rows after those it reads.</summary>
    private interface IAsk
    {
        static abstract bool Asks { get; }
    }

    private readonly struct Asks : IAsk
    {
        static bool IAsk.Asks => true;
    }

    private readonly struct Silent : IAsk
    {
        static bool IAsk.Asks => false;
    }
}

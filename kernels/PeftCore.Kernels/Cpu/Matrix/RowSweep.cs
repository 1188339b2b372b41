using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The product of a few rows with a matrix whose steps are its rows (decoding with weights stored input by output): whole rows of
/// B are swept from left to right, since a strip of 32 columns would touch a memory page for each of its lines.
/// </summary>
internal static unsafe class RowSweep<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    /// <summary>Whether sweeping is better than tiles: with few rows, and some more where rows of B are pages long.</summary>
    public static bool Suits(in MatrixProduct product) =>
        !product.B.StepsAdjacent && product.N >= TLanes.Count && product.M <= (product.N >= 1024 && product.B.Type != ElementType.F16 ? 8 : 4);

    private const int Columns = 512, Steps = 8;

    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        // Rows of A in float32 with alpha in them, and zeros up to a whole number of sweeps.
        nint length = (nint)Ranges.Count(product.K, Steps) * Steps;
        using Scratch scratch = pool.Scratch.Rent(product.M * length);
        for (int row = 0; row < product.M; row++)
        {
            float* a = scratch.Pointer + (row * length);
            product.A.Pack(row, 1, 1, 0, product.K, a);
            for (int p = 0; p < product.K; p++)
            {
                a[p] *= product.Alpha;
            }
        }

        switch (product.B.Type)
        {
            case ElementType.F32:
                Ranges.For(product.N, new Body<StoredF32>(product, scratch.Pointer, length), pool, Columns);
                break;
            case ElementType.BF16:
                Ranges.For(product.N, new Body<StoredBF16>(product, scratch.Pointer, length), pool, Columns);
                break;
            default:
                Ranges.For(product.N, new Body<StoredF16>(product, scratch.Pointer, length), pool, Columns);
                break;
        }
    }

    private readonly struct Body<TStored>(MatrixProduct product, float* a, nint length) : IRangeBody
        where TStored : struct, IStored
    {
        private readonly float* _a = a;

        public void Run(int start, int count)
        {
            for (int row = 0; row < product.M && !product.Accumulate; row++)
            {
                new Span<float>(product.C + (row * product.RowStride) + start, count).Clear();
            }

            int step = 0;
            for (; step <= product.K - Steps; step += Steps)
            {
                for (int row = 0; row < product.M; row++)
                {
                    Sweep(_a + (row * length) + step, product.B.At(start, step), product.C + (row * product.RowStride) + start, count);
                }
            }

            for (; step < product.K; step++)
            {
                for (int row = 0; row < product.M; row++)
                {
                    float factor = _a[(row * length) + step];
                    byte* b = product.B.At(start, step);
                    float* c = product.C + (row * product.RowStride) + start;
                    for (int j = 0; j < count; j++)
                    {
                        c[j] += factor * TStored.Load(b + (j * TStored.Size));
                    }
                }
            }
        }

        // c += Σ a[p]·(row p of b), eight rows at a time.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sweep(float* a, byte* b, float* c, int count)
        {
            nint stride = product.B.Stride * TStored.Size;
            byte* b3 = b + (3 * stride), b6 = b + (6 * stride);
            TVector a0 = TLanes.Broadcast(a[0]), a1 = TLanes.Broadcast(a[1]), a2 = TLanes.Broadcast(a[2]), a3 = TLanes.Broadcast(a[3]);
            TVector a4 = TLanes.Broadcast(a[4]), a5 = TLanes.Broadcast(a[5]), a6 = TLanes.Broadcast(a[6]), a7 = TLanes.Broadcast(a[7]);
            int j = 0;
            for (; j <= count - TLanes.Count; j += TLanes.Count)
            {
                nint at = j * TStored.Size;
                TVector even = TLanes.MultiplyAdd(a0, TLanes.Load<TStored>(b + at), TLanes.Load<StoredF32>((byte*)(c + j)));
                TVector odd = TLanes.Multiply(a1, TLanes.Load<TStored>(b + stride + at));
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
}

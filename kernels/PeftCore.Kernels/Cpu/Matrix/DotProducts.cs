using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>
/// The product of a matrix whose numbers run along the steps with a few rows only: every element of C is a dot product, and the
/// large operand is read once, in place. This is decoding one token, and a rank-8 projection.
/// </summary>
internal static unsafe class DotProducts<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    /// <summary>How few rows are few.</summary>
    public const int MaxRows = 8;

    // The few rows' share of the first-level cache, in floats; and how much of the large operand a thread takes at a time.
    private const int CachedRows = 4096, ReadAtOnce = 65536;

    /// <summary>C (+)= alpha·A·Bᵀ with a large A and at most <see cref="MaxRows"/> columns of C.</summary>
    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        int few = product.N == 1 ? 1 : Ranges.Count(product.N, 4) * 4;
        nint length = (nint)Ranges.Count(product.K, TLanes.Count) * TLanes.Count;
        using Scratch scratch = pool.Scratch.Rent(few * length);
        for (int row = 0; row < few; row++)
        {
            // Rows of their own, in float32, with zeros after the last step and in rows that are not there.
            float* into = scratch.Pointer + (row * length);
            new Span<float>(into, (int)length).Clear();
            if (row < product.N)
            {
                product.B.Pack(row, 1, 1, 0, product.K, into);
            }
        }

        int rows = Math.Max(4, ReadAtOnce / product.K / 4 * 4);
        switch (product.A.Type)
        {
            case ElementType.F32:
                Ranges.For(product.M, new Body<StoredF32>(product, scratch.Pointer, few, length), pool, rows);
                break;
            case ElementType.BF16:
                Ranges.For(product.M, new Body<StoredBF16>(product, scratch.Pointer, few, length), pool, rows);
                break;
            default:
                Ranges.For(product.M, new Body<StoredF16>(product, scratch.Pointer, few, length), pool, rows);
                break;
        }
    }

    private readonly struct Body<TStored>(MatrixProduct product, float* rows, int few, nint length) : IRangeBody
        where TStored : struct, IStored
    {
        private readonly float* _rows = rows;

        public void Run(int start, int count)
        {
            int atOnce = Math.Max(CachedRows / few / TLanes.Count, 1) * TLanes.Count;
            for (int step = 0; step < product.K; step += atOnce)
            {
                int steps = Math.Min(atOnce, product.K - step);
                bool accumulate = product.Accumulate || step > 0;
                for (int i = start; i < start + count; i += 2)
                {
                    // Where there is no second row, the first stands in for it.
                    int second = i + 1 < start + count ? i + 1 : i;
                    byte* x = product.A.At(i, step), y = product.A.At(second, step);
                    for (int j = 0; j < few; j += 4)
                    {
                        float* z = _rows + (j * length) + step;
                        Vector128<float> dotsX, dotsY;
                        if (few == 1)
                        {
                            Dots<Rows1>(x, y, z, steps, out dotsX, out dotsY);
                        }
                        else
                        {
                            Dots<Rows4>(x, y, z, steps, out dotsX, out dotsY);
                        }

                        Put(i, j, dotsX, accumulate);
                        if (second != i)
                        {
                            Put(second, j, dotsY, accumulate);
                        }
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Dots<TRows>(byte* x, byte* y, float* z, int steps, out Vector128<float> dotsX, out Vector128<float> dotsY)
            where TRows : struct, IRows
        {
            int width = TLanes.Count, p = 0;
            TVector x0 = default, x1 = default, x2 = default, x3 = default, y0 = default, y1 = default, y2 = default, y3 = default;
            for (; p <= steps - width; p += width)
            {
                TVector vx = TLanes.Load<TStored>(x + (p * TStored.Size)), vy = TLanes.Load<TStored>(y + (p * TStored.Size));
                TVector vz = TLanes.Load<StoredF32>((byte*)(z + p));
                x0 = TLanes.MultiplyAdd(vx, vz, x0);
                y0 = TLanes.MultiplyAdd(vy, vz, y0);
                if (TRows.Count > 1)
                {
                    vz = TLanes.Load<StoredF32>((byte*)(z + length + p));
                    x1 = TLanes.MultiplyAdd(vx, vz, x1);
                    y1 = TLanes.MultiplyAdd(vy, vz, y1);
                    vz = TLanes.Load<StoredF32>((byte*)(z + (2 * length) + p));
                    x2 = TLanes.MultiplyAdd(vx, vz, x2);
                    y2 = TLanes.MultiplyAdd(vy, vz, y2);
                    vz = TLanes.Load<StoredF32>((byte*)(z + (3 * length) + p));
                    x3 = TLanes.MultiplyAdd(vx, vz, x3);
                    y3 = TLanes.MultiplyAdd(vy, vz, y3);
                }
            }

            dotsX = TLanes.Sums(x0, x1, x2, x3);
            dotsY = TLanes.Sums(y0, y1, y2, y3);
            for (; p < steps; p++)
            {
                Vector128<float> vz = TRows.Count == 1
                    ? Vector128.CreateScalar(z[p])
                    : Vector128.Create(z[p], z[length + p], z[(2 * length) + p], z[(3 * length) + p]);
                dotsX += TStored.Load(x + (p * TStored.Size)) * vz;
                dotsY += TStored.Load(y + (p * TStored.Size)) * vz;
            }
        }

        private void Put(int row, int column, Vector128<float> dots, bool accumulate)
        {
            float* c = product.C + (row * product.RowStride) + (column * product.ColumnStride);
            dots *= product.Alpha;
            for (int j = 0; j < Math.Min(4, product.N - column); j++, c += product.ColumnStride)
            {
                *c = accumulate ? *c + dots[j] : dots[j];
            }
        }
    }

    private readonly struct Rows1 : IRows
    {
        public static int Count => 1;
    }
}

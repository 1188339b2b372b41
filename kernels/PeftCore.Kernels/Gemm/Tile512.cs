using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// A tile of 4, 8 or 12 rows and two 16-wide vectors of columns, for AVX-512. Its 24 sums and two vectors of B stay in registers; each
/// element of A is broadcast once and used twice. The sums are separate variables, since the compiler would keep an array in memory.
/// </summary>
internal readonly unsafe struct Tile512 : ITile
{
    private const int PrefetchSteps = 16;

    public static int Rows => 12;

    public static int Columns => 32;

    public static void Run<TElement>(int rows, nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TElement : struct, IElement
    {
        if (rows > 8)
        {
            Run<TElement, Rows12>(steps, a, aStep, b, bStep, c, ldc, alpha, accumulate);
        }
        else if (rows > 4)
        {
            Run<TElement, Rows8>(steps, a, aStep, b, bStep, c, ldc, alpha, accumulate);
        }
        else
        {
            Run<TElement, Rows4>(steps, a, aStep, b, bStep, c, ldc, alpha, accumulate);
        }
    }

    // TRows.Count is a constant when this is compiled, so its branches cost nothing.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TElement, TRows>(nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TElement : struct, IElement
        where TRows : struct, IRows
    {
        Vector512<float> l0 = default, r0 = default;
        Vector512<float> l1 = default, r1 = default;
        Vector512<float> l2 = default, r2 = default;
        Vector512<float> l3 = default, r3 = default;
        Vector512<float> l4 = default, r4 = default;
        Vector512<float> l5 = default, r5 = default;
        Vector512<float> l6 = default, r6 = default;
        Vector512<float> l7 = default, r7 = default;
        Vector512<float> l8 = default, r8 = default;
        Vector512<float> l9 = default, r9 = default;
        Vector512<float> l10 = default, r10 = default;
        Vector512<float> l11 = default, r11 = default;
        bStep *= TElement.Size;
        nint aAhead = PrefetchSteps * aStep;
        // Prefetches PrefetchSteps ahead. Near the end this wraps to the first steps of B, which the next panel of A reads again.
        nint last = Math.Min(steps, PrefetchSteps), left = steps - last, ahead = PrefetchSteps * bStep, again = ahead - (steps * bStep);
        while (true)
        {
            for (; left > 0; left--)
            {
                Vector512<float> low = TElement.Load16(b), high = TElement.Load16(b + (16 * TElement.Size));
                Sse.Prefetch0(a + aAhead);
                Sse.Prefetch0(b + ahead);
                if (TElement.Size == 4)
                {
                    Sse.Prefetch0(b + ahead + 64);
                }

                Vector512<float> x;
                x = Vector512.Create(a[0]);
                l0 = Vector512.FusedMultiplyAdd(x, low, l0);
                r0 = Vector512.FusedMultiplyAdd(x, high, r0);
                x = Vector512.Create(a[1]);
                l1 = Vector512.FusedMultiplyAdd(x, low, l1);
                r1 = Vector512.FusedMultiplyAdd(x, high, r1);
                x = Vector512.Create(a[2]);
                l2 = Vector512.FusedMultiplyAdd(x, low, l2);
                r2 = Vector512.FusedMultiplyAdd(x, high, r2);
                x = Vector512.Create(a[3]);
                l3 = Vector512.FusedMultiplyAdd(x, low, l3);
                r3 = Vector512.FusedMultiplyAdd(x, high, r3);
                if (TRows.Count > 4)
                {
                    x = Vector512.Create(a[4]);
                    l4 = Vector512.FusedMultiplyAdd(x, low, l4);
                    r4 = Vector512.FusedMultiplyAdd(x, high, r4);
                    x = Vector512.Create(a[5]);
                    l5 = Vector512.FusedMultiplyAdd(x, low, l5);
                    r5 = Vector512.FusedMultiplyAdd(x, high, r5);
                    x = Vector512.Create(a[6]);
                    l6 = Vector512.FusedMultiplyAdd(x, low, l6);
                    r6 = Vector512.FusedMultiplyAdd(x, high, r6);
                    x = Vector512.Create(a[7]);
                    l7 = Vector512.FusedMultiplyAdd(x, low, l7);
                    r7 = Vector512.FusedMultiplyAdd(x, high, r7);
                }

                if (TRows.Count > 8)
                {
                    x = Vector512.Create(a[8]);
                    l8 = Vector512.FusedMultiplyAdd(x, low, l8);
                    r8 = Vector512.FusedMultiplyAdd(x, high, r8);
                    x = Vector512.Create(a[9]);
                    l9 = Vector512.FusedMultiplyAdd(x, low, l9);
                    r9 = Vector512.FusedMultiplyAdd(x, high, r9);
                    x = Vector512.Create(a[10]);
                    l10 = Vector512.FusedMultiplyAdd(x, low, l10);
                    r10 = Vector512.FusedMultiplyAdd(x, high, r10);
                    x = Vector512.Create(a[11]);
                    l11 = Vector512.FusedMultiplyAdd(x, low, l11);
                    r11 = Vector512.FusedMultiplyAdd(x, high, r11);
                }

                a += aStep;
                b += bStep;
            }

            if (last == 0)
            {
                break;
            }

            left = last;
            last = 0;
            ahead = again;
            // C comes from memory and is needed at the end; prefetched earlier it would be evicted again.
            for (int row = 0; row < TRows.Count; row++)
            {
                Sse.Prefetch0(c + (row * ldc));
                Sse.Prefetch0(c + (row * ldc) + 16);
            }
        }

        var factor = Vector512.Create(alpha);
        Put(c, l0, r0, factor, accumulate);
        Put(c + ldc, l1, r1, factor, accumulate);
        Put(c + (2 * ldc), l2, r2, factor, accumulate);
        Put(c + (3 * ldc), l3, r3, factor, accumulate);
        if (TRows.Count > 4)
        {
            Put(c + (4 * ldc), l4, r4, factor, accumulate);
            Put(c + (5 * ldc), l5, r5, factor, accumulate);
            Put(c + (6 * ldc), l6, r6, factor, accumulate);
            Put(c + (7 * ldc), l7, r7, factor, accumulate);
        }

        if (TRows.Count > 8)
        {
            Put(c + (8 * ldc), l8, r8, factor, accumulate);
            Put(c + (9 * ldc), l9, r9, factor, accumulate);
            Put(c + (10 * ldc), l10, r10, factor, accumulate);
            Put(c + (11 * ldc), l11, r11, factor, accumulate);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, Vector512<float> left, Vector512<float> right, Vector512<float> factor, bool accumulate)
    {
        // The products are rounded before they are added, as where a tile reaches beyond C.
        left *= factor;
        right *= factor;
        if (accumulate)
        {
            left += Vector512.Load(c);
            right += Vector512.Load(c + 16);
        }

        left.Store(c);
        right.Store(c + 16);
    }
}

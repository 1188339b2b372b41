using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// A tile of 4 rows and three vectors of columns: 12 sums, three vectors of B and one broadcast element of A fill 16 registers.
/// </summary>
internal readonly unsafe struct Tile<TSimd, TVector> : ITile
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int Rows => 4;

    public static int Columns => 3 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TElement>(int rows, nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TElement : struct, IElement
    {
        int width = TSimd.Count;
        TVector l0 = default, m0 = default, r0 = default;
        TVector l1 = default, m1 = default, r1 = default;
        TVector l2 = default, m2 = default, r2 = default;
        TVector l3 = default, m3 = default, r3 = default;
        bStep *= TElement.Size;
        for (; steps > 0; steps--)
        {
            TVector left = TSimd.Load<TElement>(b), middle = TSimd.Load<TElement>(b + (width * TElement.Size));
            var right = TSimd.Load<TElement>(b + (2 * width * TElement.Size));
            TVector x;
            x = TSimd.Broadcast(a[0]);
            l0 = TSimd.MultiplyAdd(x, left, l0);
            m0 = TSimd.MultiplyAdd(x, middle, m0);
            r0 = TSimd.MultiplyAdd(x, right, r0);
            x = TSimd.Broadcast(a[1]);
            l1 = TSimd.MultiplyAdd(x, left, l1);
            m1 = TSimd.MultiplyAdd(x, middle, m1);
            r1 = TSimd.MultiplyAdd(x, right, r1);
            x = TSimd.Broadcast(a[2]);
            l2 = TSimd.MultiplyAdd(x, left, l2);
            m2 = TSimd.MultiplyAdd(x, middle, m2);
            r2 = TSimd.MultiplyAdd(x, right, r2);
            x = TSimd.Broadcast(a[3]);
            l3 = TSimd.MultiplyAdd(x, left, l3);
            m3 = TSimd.MultiplyAdd(x, middle, m3);
            r3 = TSimd.MultiplyAdd(x, right, r3);
            a += aStep;
            b += bStep;
        }

        var factor = TSimd.Broadcast(alpha);
        Put(c, l0, m0, r0, factor, accumulate);
        Put(c + ldc, l1, m1, r1, factor, accumulate);
        Put(c + (2 * ldc), l2, m2, r2, factor, accumulate);
        Put(c + (3 * ldc), l3, m3, r3, factor, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, TVector left, TVector middle, TVector right, TVector factor, bool accumulate)
    {
        Put(c, left, factor, accumulate);
        Put(c + TSimd.Count, middle, factor, accumulate);
        Put(c + (2 * TSimd.Count), right, factor, accumulate);
    }

    // The product is rounded before it is added, as where a tile reaches beyond C.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, TVector sum, TVector factor, bool accumulate)
    {
        var product = TSimd.Multiply(sum, factor);
        TSimd.Store(accumulate ? TSimd.Add(product, TSimd.Load<Float32Element>((byte*)c)) : product, c);
    }
}

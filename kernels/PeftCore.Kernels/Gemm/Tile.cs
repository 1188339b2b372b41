using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// A tile of 4 rows and three vectors of columns: 12 sums, three vectors of B and one broadcast number of A fill 16 registers.
/// </summary>
internal readonly unsafe struct Tile<TLanes, TVector> : ITile
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    public static int Rows => 4;

    public static int Columns => 3 * TLanes.Count;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TStored>(int rows, nint steps, float* a, nint aStep, byte* b, nint bStep, float* c, nint ldc, float alpha,
        bool accumulate)
        where TStored : struct, IStored
    {
        int width = TLanes.Count;
        TVector l0 = default, m0 = default, r0 = default;
        TVector l1 = default, m1 = default, r1 = default;
        TVector l2 = default, m2 = default, r2 = default;
        TVector l3 = default, m3 = default, r3 = default;
        bStep *= TStored.Size;
        for (; steps > 0; steps--)
        {
            TVector left = TLanes.Load<TStored>(b), middle = TLanes.Load<TStored>(b + (width * TStored.Size));
            var right = TLanes.Load<TStored>(b + (2 * width * TStored.Size));
            TVector x;
            x = TLanes.Broadcast(a[0]);
            l0 = TLanes.MultiplyAdd(x, left, l0);
            m0 = TLanes.MultiplyAdd(x, middle, m0);
            r0 = TLanes.MultiplyAdd(x, right, r0);
            x = TLanes.Broadcast(a[1]);
            l1 = TLanes.MultiplyAdd(x, left, l1);
            m1 = TLanes.MultiplyAdd(x, middle, m1);
            r1 = TLanes.MultiplyAdd(x, right, r1);
            x = TLanes.Broadcast(a[2]);
            l2 = TLanes.MultiplyAdd(x, left, l2);
            m2 = TLanes.MultiplyAdd(x, middle, m2);
            r2 = TLanes.MultiplyAdd(x, right, r2);
            x = TLanes.Broadcast(a[3]);
            l3 = TLanes.MultiplyAdd(x, left, l3);
            m3 = TLanes.MultiplyAdd(x, middle, m3);
            r3 = TLanes.MultiplyAdd(x, right, r3);
            a += aStep;
            b += bStep;
        }

        var factor = TLanes.Broadcast(alpha);
        Put(c, l0, m0, r0, factor, accumulate);
        Put(c + ldc, l1, m1, r1, factor, accumulate);
        Put(c + (2 * ldc), l2, m2, r2, factor, accumulate);
        Put(c + (3 * ldc), l3, m3, r3, factor, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, TVector left, TVector middle, TVector right, TVector factor, bool accumulate)
    {
        Put(c, left, factor, accumulate);
        Put(c + TLanes.Count, middle, factor, accumulate);
        Put(c + (2 * TLanes.Count), right, factor, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* c, TVector sum, TVector factor, bool accumulate) => TLanes.Store(
        accumulate ? TLanes.MultiplyAdd(sum, factor, TLanes.Load<StoredF32>((byte*)c)) : TLanes.Multiply(sum, factor), c);
}

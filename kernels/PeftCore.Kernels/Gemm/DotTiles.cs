using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>
/// A few rows of a large matrix, read as they are stored, times one or four short-lived rows: the innermost part of
/// <see cref="DotProducts{TLanes, TVector}"/>. Whatever is read now asks for what lies <c>ahead</c> bytes behind it: each row is too short
/// a stream for the processor to foresee the next, and without that memory is waited for at every row's start.
/// </summary>
internal static unsafe class DotTiles<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    /// <summary>The dot products of four rows, <paramref name="row"/> bytes apart, with z.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> FourByOne<TStored>(byte* x, nint row, float* z, int steps, nint ahead)
        where TStored : struct, IStored
    {
        int width = TLanes.Count, p = 0;
        byte* y = x + (2 * row);
        TVector s0 = default, s1 = default, s2 = default, s3 = default;
        for (; p <= steps - width; p += width)
        {
            nint at = (nint)p * TStored.Size;
            var v = TLanes.Load<StoredF32>((byte*)(z + p));
            if (Prefetch.IsDue(at))
            {
                Prefetch.Ask(x + at + ahead);
                Prefetch.Ask(x + row + at + ahead);
                Prefetch.Ask(y + at + ahead);
                Prefetch.Ask(y + row + at + ahead);
            }

            s0 = TLanes.MultiplyAdd(TLanes.Load<TStored>(x + at), v, s0);
            s1 = TLanes.MultiplyAdd(TLanes.Load<TStored>(x + row + at), v, s1);
            s2 = TLanes.MultiplyAdd(TLanes.Load<TStored>(y + at), v, s2);
            s3 = TLanes.MultiplyAdd(TLanes.Load<TStored>(y + row + at), v, s3);
        }

        var sums = TLanes.Sums(s0, s1, s2, s3);
        for (; p < steps; p++)
        {
            nint at = (nint)p * TStored.Size;
            sums += Vector128.Create(TStored.Load(x + at), TStored.Load(x + row + at), TStored.Load(y + at), TStored.Load(y + row + at)) *
                z[p];
        }

        return sums;
    }

    /// <summary>The dot products of two rows, <paramref name="row"/> bytes apart, with four rows of z, <paramref name="length"/> numbers
    /// apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoByFour<TStored>(byte* x, nint row, float* z, nint length, int steps, nint ahead, out Vector128<float> dotsX,
        out Vector128<float> dotsY)
        where TStored : struct, IStored
    {
        int width = TLanes.Count, p = 0;
        TVector x0 = default, x1 = default, x2 = default, x3 = default, y0 = default, y1 = default, y2 = default, y3 = default;
        for (; p <= steps - width; p += width)
        {
            byte* at = x + ((nint)p * TStored.Size);
            if (Prefetch.IsDue((nint)p * TStored.Size))
            {
                Prefetch.Ask(at + ahead);
                Prefetch.Ask(at + row + ahead);
            }

            TVector vx = TLanes.Load<TStored>(at), vy = TLanes.Load<TStored>(at + row);
            var vz = TLanes.Load<StoredF32>((byte*)(z + p));
            x0 = TLanes.MultiplyAdd(vx, vz, x0);
            y0 = TLanes.MultiplyAdd(vy, vz, y0);
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

        dotsX = TLanes.Sums(x0, x1, x2, x3);
        dotsY = TLanes.Sums(y0, y1, y2, y3);
        for (; p < steps; p++)
        {
            byte* at = x + ((nint)p * TStored.Size);
            var vz = Vector128.Create(z[p], z[length + p], z[(2 * length) + p], z[(3 * length) + p]);
            dotsX += TStored.Load(at) * vz;
            dotsY += TStored.Load(at + row) * vz;
        }
    }

    /// <summary>The dot products of two rows with eight rows of z, for processors with registers for sixteen sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoByEight<TStored>(byte* x, nint row, float* z, nint length, int steps, nint ahead,
        out Vector128<float> dotsX, out Vector128<float> moreX, out Vector128<float> dotsY, out Vector128<float> moreY)
        where TStored : struct, IStored
    {
        int width = TLanes.Count, p = 0;
        TVector x0 = default, x1 = default, x2 = default, x3 = default, x4 = default, x5 = default, x6 = default, x7 = default;
        TVector y0 = default, y1 = default, y2 = default, y3 = default, y4 = default, y5 = default, y6 = default, y7 = default;
        for (; p <= steps - width; p += width)
        {
            byte* at = x + ((nint)p * TStored.Size), first = (byte*)(z + p), fifth = (byte*)(z + (4 * length) + p);
            if (Prefetch.IsDue((nint)p * TStored.Size))
            {
                Prefetch.Ask(at + ahead);
                Prefetch.Ask(at + row + ahead);
            }

            nint next = length * sizeof(float);
            TVector vx = TLanes.Load<TStored>(at), vy = TLanes.Load<TStored>(at + row);
            var vz = TLanes.Load<StoredF32>(first);
            x0 = TLanes.MultiplyAdd(vx, vz, x0);
            y0 = TLanes.MultiplyAdd(vy, vz, y0);
            vz = TLanes.Load<StoredF32>(first + next);
            x1 = TLanes.MultiplyAdd(vx, vz, x1);
            y1 = TLanes.MultiplyAdd(vy, vz, y1);
            vz = TLanes.Load<StoredF32>(first + (2 * next));
            x2 = TLanes.MultiplyAdd(vx, vz, x2);
            y2 = TLanes.MultiplyAdd(vy, vz, y2);
            vz = TLanes.Load<StoredF32>(first + (3 * next));
            x3 = TLanes.MultiplyAdd(vx, vz, x3);
            y3 = TLanes.MultiplyAdd(vy, vz, y3);
            vz = TLanes.Load<StoredF32>(fifth);
            x4 = TLanes.MultiplyAdd(vx, vz, x4);
            y4 = TLanes.MultiplyAdd(vy, vz, y4);
            vz = TLanes.Load<StoredF32>(fifth + next);
            x5 = TLanes.MultiplyAdd(vx, vz, x5);
            y5 = TLanes.MultiplyAdd(vy, vz, y5);
            vz = TLanes.Load<StoredF32>(fifth + (2 * next));
            x6 = TLanes.MultiplyAdd(vx, vz, x6);
            y6 = TLanes.MultiplyAdd(vy, vz, y6);
            vz = TLanes.Load<StoredF32>(fifth + (3 * next));
            x7 = TLanes.MultiplyAdd(vx, vz, x7);
            y7 = TLanes.MultiplyAdd(vy, vz, y7);
        }

        dotsX = TLanes.Sums(x0, x1, x2, x3);
        moreX = TLanes.Sums(x4, x5, x6, x7);
        dotsY = TLanes.Sums(y0, y1, y2, y3);
        moreY = TLanes.Sums(y4, y5, y6, y7);
        for (; p < steps; p++)
        {
            byte* at = x + ((nint)p * TStored.Size);
            float* f = z + p, g = f + (4 * length);
            var low = Vector128.Create(f[0], f[length], f[2 * length], f[3 * length]);
            var high = Vector128.Create(g[0], g[length], g[2 * length], g[3 * length]);
            float vx = TStored.Load(at), vy = TStored.Load(at + row);
            dotsX += vx * low;
            moreX += vx * high;
            dotsY += vy * low;
            moreY += vy * high;
        }
    }
}

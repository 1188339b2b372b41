using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>
/// Dot products of two or four rows of a large matrix, in its stored type, with one, four or eight rows of float32: the inner loops of
/// <see cref="DotProducts{TSimd, TVector}"/>. Each load prefetches the address <c>ahead</c> bytes later, because a row is too short for the
/// hardware prefetcher.
/// </summary>
internal static unsafe class DotTiles<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>The dot products of four rows, <paramref name="row"/> bytes apart, with z.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> FourByOne<TElement>(byte* x, nint row, float* z, int steps, nint ahead)
        where TElement : struct, IElement
    {
        int width = TSimd.Count, p = 0;
        byte* y = x + (2 * row);
        TVector s0 = default, s1 = default, s2 = default, s3 = default;
        for (; p <= steps - width; p += width)
        {
            nint at = (nint)p * TElement.Size;
            var v = TSimd.Load<Float32Element>((byte*)(z + p));
            if (Prefetch.IsDue(at))
            {
                Prefetch.ToL2(x + at + ahead);
                Prefetch.ToL2(x + row + at + ahead);
                Prefetch.ToL2(y + at + ahead);
                Prefetch.ToL2(y + row + at + ahead);
            }

            s0 = TSimd.MultiplyAdd(TSimd.Load<TElement>(x + at), v, s0);
            s1 = TSimd.MultiplyAdd(TSimd.Load<TElement>(x + row + at), v, s1);
            s2 = TSimd.MultiplyAdd(TSimd.Load<TElement>(y + at), v, s2);
            s3 = TSimd.MultiplyAdd(TSimd.Load<TElement>(y + row + at), v, s3);
        }

        var sums = TSimd.Sums(s0, s1, s2, s3);
        for (; p < steps; p++)
        {
            nint at = (nint)p * TElement.Size;
            sums += Vector128.Create(TElement.Load(x + at), TElement.Load(x + row + at), TElement.Load(y + at),
                TElement.Load(y + row + at)) *
                z[p];
        }

        return sums;
    }

    /// <summary>The dot products of two rows, <paramref name="row"/> bytes apart, with four rows of z, <paramref name="length"/> numbers
    /// apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoByFour<TElement>(byte* x, nint row, float* z, nint length, int steps, nint ahead, out Vector128<float> dotsX,
        out Vector128<float> dotsY)
        where TElement : struct, IElement
    {
        int width = TSimd.Count, p = 0;
        TVector x0 = default, x1 = default, x2 = default, x3 = default, y0 = default, y1 = default, y2 = default, y3 = default;
        for (; p <= steps - width; p += width)
        {
            byte* at = x + ((nint)p * TElement.Size);
            if (Prefetch.IsDue((nint)p * TElement.Size))
            {
                Prefetch.ToL2(at + ahead);
                Prefetch.ToL2(at + row + ahead);
            }

            TVector vx = TSimd.Load<TElement>(at), vy = TSimd.Load<TElement>(at + row);
            var vz = TSimd.Load<Float32Element>((byte*)(z + p));
            x0 = TSimd.MultiplyAdd(vx, vz, x0);
            y0 = TSimd.MultiplyAdd(vy, vz, y0);
            vz = TSimd.Load<Float32Element>((byte*)(z + length + p));
            x1 = TSimd.MultiplyAdd(vx, vz, x1);
            y1 = TSimd.MultiplyAdd(vy, vz, y1);
            vz = TSimd.Load<Float32Element>((byte*)(z + (2 * length) + p));
            x2 = TSimd.MultiplyAdd(vx, vz, x2);
            y2 = TSimd.MultiplyAdd(vy, vz, y2);
            vz = TSimd.Load<Float32Element>((byte*)(z + (3 * length) + p));
            x3 = TSimd.MultiplyAdd(vx, vz, x3);
            y3 = TSimd.MultiplyAdd(vy, vz, y3);
        }

        dotsX = TSimd.Sums(x0, x1, x2, x3);
        dotsY = TSimd.Sums(y0, y1, y2, y3);
        for (; p < steps; p++)
        {
            byte* at = x + ((nint)p * TElement.Size);
            var vz = Vector128.Create(z[p], z[length + p], z[(2 * length) + p], z[(3 * length) + p]);
            dotsX += TElement.Load(at) * vz;
            dotsY += TElement.Load(at + row) * vz;
        }
    }

    /// <summary>The dot products of two rows with eight rows of z, for processors with registers for sixteen sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoByEight<TElement>(byte* x, nint row, float* z, nint length, int steps, nint ahead,
        out Vector128<float> dotsX, out Vector128<float> moreX, out Vector128<float> dotsY, out Vector128<float> moreY)
        where TElement : struct, IElement
    {
        int width = TSimd.Count, p = 0;
        TVector x0 = default, x1 = default, x2 = default, x3 = default, x4 = default, x5 = default, x6 = default, x7 = default;
        TVector y0 = default, y1 = default, y2 = default, y3 = default, y4 = default, y5 = default, y6 = default, y7 = default;
        for (; p <= steps - width; p += width)
        {
            byte* at = x + ((nint)p * TElement.Size), first = (byte*)(z + p), fifth = (byte*)(z + (4 * length) + p);
            if (Prefetch.IsDue((nint)p * TElement.Size))
            {
                Prefetch.ToL2(at + ahead);
                Prefetch.ToL2(at + row + ahead);
            }

            nint next = length * sizeof(float);
            TVector vx = TSimd.Load<TElement>(at), vy = TSimd.Load<TElement>(at + row);
            var vz = TSimd.Load<Float32Element>(first);
            x0 = TSimd.MultiplyAdd(vx, vz, x0);
            y0 = TSimd.MultiplyAdd(vy, vz, y0);
            vz = TSimd.Load<Float32Element>(first + next);
            x1 = TSimd.MultiplyAdd(vx, vz, x1);
            y1 = TSimd.MultiplyAdd(vy, vz, y1);
            vz = TSimd.Load<Float32Element>(first + (2 * next));
            x2 = TSimd.MultiplyAdd(vx, vz, x2);
            y2 = TSimd.MultiplyAdd(vy, vz, y2);
            vz = TSimd.Load<Float32Element>(first + (3 * next));
            x3 = TSimd.MultiplyAdd(vx, vz, x3);
            y3 = TSimd.MultiplyAdd(vy, vz, y3);
            vz = TSimd.Load<Float32Element>(fifth);
            x4 = TSimd.MultiplyAdd(vx, vz, x4);
            y4 = TSimd.MultiplyAdd(vy, vz, y4);
            vz = TSimd.Load<Float32Element>(fifth + next);
            x5 = TSimd.MultiplyAdd(vx, vz, x5);
            y5 = TSimd.MultiplyAdd(vy, vz, y5);
            vz = TSimd.Load<Float32Element>(fifth + (2 * next));
            x6 = TSimd.MultiplyAdd(vx, vz, x6);
            y6 = TSimd.MultiplyAdd(vy, vz, y6);
            vz = TSimd.Load<Float32Element>(fifth + (3 * next));
            x7 = TSimd.MultiplyAdd(vx, vz, x7);
            y7 = TSimd.MultiplyAdd(vy, vz, y7);
        }

        dotsX = TSimd.Sums(x0, x1, x2, x3);
        moreX = TSimd.Sums(x4, x5, x6, x7);
        dotsY = TSimd.Sums(y0, y1, y2, y3);
        moreY = TSimd.Sums(y4, y5, y6, y7);
        for (; p < steps; p++)
        {
            byte* at = x + ((nint)p * TElement.Size);
            float* f = z + p, g = f + (4 * length);
            var low = Vector128.Create(f[0], f[length], f[2 * length], f[3 * length]);
            var high = Vector128.Create(g[0], g[length], g[2 * length], g[3 * length]);
            float vx = TElement.Load(at), vy = TElement.Load(at + row);
            dotsX += vx * low;
            moreX += vx * high;
            dotsY += vy * low;
            moreY += vy * high;
        }
    }
}

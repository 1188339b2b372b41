using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>
/// Packs rows of a matrix into a micro-panel of float32: the <c>width</c> elements of step p are adjacent, with zeros for rows that the
/// matrix does not have.
/// </summary>
internal static unsafe class Packing
{
    /// <summary>Packs a matrix whose elements of a step are adjacent; steps are <paramref name="stride"/> elements apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy<TElement>(byte* x, nint stride, int used, int width, int steps, float* panel)
        where TElement : struct, IElement
    {
        stride *= TElement.Size;
        if (used < width || width % 4 != 0)
        {
            for (int p = 0; p < steps; p++, x += stride, panel += width)
            {
                for (int i = 0; i < width; i++)
                {
                    panel[i] = i < used ? TElement.Load(x + (i * TElement.Size)) : 0f;
                }
            }

            return;
        }

        for (int p = 0; p < steps; p++, x += stride, panel += width)
        {
            int i = 0;
            if (Vector512.IsHardwareAccelerated)
            {
                for (; i <= width - 16; i += 16)
                {
                    TElement.Load16(x + (i * TElement.Size)).Store(panel + i);
                }
            }

            for (; i <= width - 8; i += 8)
            {
                TElement.Load8(x + (i * TElement.Size)).Store(panel + i);
            }

            if (i < width)
            {
                TElement.Load4(x + (i * TElement.Size)).Store(panel + i);
            }
        }
    }

    /// <summary>Packs a matrix whose elements of a row are adjacent; rows are <paramref name="stride"/> elements apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose<TElement>(byte* x, nint stride, int used, int width, int steps, float* panel)
        where TElement : struct, IElement
    {
        // 64 steps of all rows at a time, so that the panel's cache lines are still cached for the next rows.
        const int Chunk = 64;
        stride *= TElement.Size;
        for (int first = 0; first < steps; first += Chunk)
        {
            int count = Math.Min(Chunk, steps - first);
            byte* from = x + ((nint)first * TElement.Size);
            float* to = panel + ((nint)first * width);
            int row = 0;
            if (Avx512F.IsSupported)
            {
                for (; row <= used - 16; row += 16)
                {
                    Transpose16<TElement>(from + (row * stride), stride, count, width, to + row);
                }
            }

            for (; row <= used - 8 && Avx.IsSupported; row += 8)
            {
                Transpose8<TElement>(from + (row * stride), stride, count, width, to + row);
            }

            for (; row <= used - 4; row += 4)
            {
                Transpose4<TElement>(from + (row * stride), stride, count, width, to + row);
            }

            for (; row < width; row++)
            {
                for (int p = 0; p < count; p++)
                {
                    to[(p * width) + row] = row < used ? TElement.Load(from + (row * stride) + (p * TElement.Size)) : 0f;
                }
            }
        }
    }

    // Four steps of sixteen rows: rows 4 apart share a vector, so that a 4×4 transposition within 128-bit lanes puts the elements of a step
    // in order.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose16<TElement>(byte* x, nint stride, int steps, int width, float* to)
        where TElement : struct, IElement
    {
        byte* x4 = x + (4 * stride), x8 = x4 + (4 * stride), x12 = x8 + (4 * stride);
        nint stride2 = 2 * stride, stride3 = 3 * stride;
        int p = 0;
        for (; p <= steps - 4; p += 4, to += 4 * width)
        {
            nint at = p * TElement.Size;
            var r0 = Quarters<TElement>(x + at, x4 + at, x8 + at, x12 + at);
            var r1 = Quarters<TElement>(x + stride + at, x4 + stride + at, x8 + stride + at, x12 + stride + at);
            var r2 = Quarters<TElement>(x + stride2 + at, x4 + stride2 + at, x8 + stride2 + at, x12 + stride2 + at);
            var r3 = Quarters<TElement>(x + stride3 + at, x4 + stride3 + at, x8 + stride3 + at, x12 + stride3 + at);
            Vector512<double> low01 = Avx512F.UnpackLow(r0, r1).AsDouble(), low23 = Avx512F.UnpackLow(r2, r3).AsDouble();
            Vector512<double> high01 = Avx512F.UnpackHigh(r0, r1).AsDouble(), high23 = Avx512F.UnpackHigh(r2, r3).AsDouble();
            Avx512F.UnpackLow(low01, low23).AsSingle().Store(to);
            Avx512F.UnpackHigh(low01, low23).AsSingle().Store(to + width);
            Avx512F.UnpackLow(high01, high23).AsSingle().Store(to + (2 * width));
            Avx512F.UnpackHigh(high01, high23).AsSingle().Store(to + (3 * width));
        }

        OneByOne<TElement>(x, stride, 16, p, steps, width, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose8<TElement>(byte* x, nint stride, int steps, int width, float* to)
        where TElement : struct, IElement
    {
        byte* x4 = x + (4 * stride);
        nint stride2 = 2 * stride, stride3 = 3 * stride;
        int p = 0;
        for (; p <= steps - 4; p += 4, to += 4 * width)
        {
            nint at = p * TElement.Size;
            Vector256<float> r0 = Halves<TElement>(x + at, x4 + at), r1 = Halves<TElement>(x + stride + at, x4 + stride + at);
            Vector256<float> r2 = Halves<TElement>(x + stride2 + at, x4 + stride2 + at),
                r3 = Halves<TElement>(x + stride3 + at, x4 + stride3 + at);
            Vector256<double> low01 = Avx.UnpackLow(r0, r1).AsDouble(), low23 = Avx.UnpackLow(r2, r3).AsDouble();
            Vector256<double> high01 = Avx.UnpackHigh(r0, r1).AsDouble(), high23 = Avx.UnpackHigh(r2, r3).AsDouble();
            Avx.UnpackLow(low01, low23).AsSingle().Store(to);
            Avx.UnpackHigh(low01, low23).AsSingle().Store(to + width);
            Avx.UnpackLow(high01, high23).AsSingle().Store(to + (2 * width));
            Avx.UnpackHigh(high01, high23).AsSingle().Store(to + (3 * width));
        }

        OneByOne<TElement>(x, stride, 8, p, steps, width, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarters<TElement>(byte* a, byte* b, byte* c, byte* d)
        where TElement : struct, IElement => Vector512.Create(Halves<TElement>(a, b), Halves<TElement>(c, d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves<TElement>(byte* a, byte* b)
        where TElement : struct, IElement => Vector256.Create(TElement.Load4(a), TElement.Load4(b));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneByOne<TElement>(byte* x, nint stride, int rows, int step, int steps, int width, float* to)
        where TElement : struct, IElement
    {
        for (; step < steps; step++, to += width)
        {
            for (int row = 0; row < rows; row++)
            {
                to[row] = TElement.Load(x + (row * stride) + (step * TElement.Size));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose4<TElement>(byte* x, nint stride, int steps, int width, float* to)
        where TElement : struct, IElement
    {
        byte* x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        int p = 0;
        for (; p <= steps - 4; p += 4, to += 4 * width)
        {
            nint at = p * TElement.Size;
            Vector128<float> r0 = TElement.Load4(x + at), r1 = TElement.Load4(x1 + at), r2 = TElement.Load4(x2 + at),
                r3 = TElement.Load4(x3 + at);
            Vector128<float> low01 = Interleave.Low(r0, r1), low23 = Interleave.Low(r2, r3);
            Vector128<float> high01 = Interleave.High(r0, r1), high23 = Interleave.High(r2, r3);
            Interleave.LowerHalves(low01, low23).Store(to);
            Interleave.UpperHalves(low01, low23).Store(to + width);
            Interleave.LowerHalves(high01, high23).Store(to + (2 * width));
            Interleave.UpperHalves(high01, high23).Store(to + (3 * width));
        }

        OneByOne<TElement>(x, stride, 4, p, steps, width, to);
    }
}

using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>
/// Lays a strip of a matrix out as a panel: step p holds the strip's <c>width</c> numbers of that step side by side, in float32,
/// with zeros where the strip is narrower than the panel.
/// </summary>
internal static unsafe class Packing
{
    /// <summary>From storage in which a step's numbers already lie side by side; steps are <paramref name="stride"/> apart.</summary>
    public static void Copy<TStored>(byte* x, nint stride, int used, int width, int steps, float* panel)
        where TStored : struct, IStored
    {
        stride *= TStored.Size;
        if (used < width || width % 4 != 0)
        {
            for (int p = 0; p < steps; p++, x += stride, panel += width)
            {
                for (int i = 0; i < width; i++)
                {
                    panel[i] = i < used ? TStored.Load(x + (i * TStored.Size)) : 0f;
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
                    TStored.Load16(x + (i * TStored.Size)).Store(panel + i);
                }
            }

            for (; i <= width - 8; i += 8)
            {
                TStored.Load8(x + (i * TStored.Size)).Store(panel + i);
            }

            if (i < width)
            {
                TStored.Load4(x + (i * TStored.Size)).Store(panel + i);
            }
        }
    }

    /// <summary>From storage in which each of the strip's rows runs along the steps; rows are <paramref name="stride"/> apart.</summary>
    public static void Transpose<TStored>(byte* x, nint stride, int used, int width, int steps, float* panel)
        where TStored : struct, IStored
    {
        // A few steps of all rows at a time: the panel's lines are then still at hand for the next rows.
        const int Chunk = 64;
        stride *= TStored.Size;
        for (int first = 0; first < steps; first += Chunk)
        {
            int count = Math.Min(Chunk, steps - first);
            byte* from = x + ((nint)first * TStored.Size);
            float* to = panel + ((nint)first * width);
            int row = 0;
            for (; row <= used - 4; row += 4)
            {
                Transpose4<TStored>(from + (row * stride), stride, count, width, to + row);
            }

            for (; row < width; row++)
            {
                for (int p = 0; p < count; p++)
                {
                    to[(p * width) + row] = row < used ? TStored.Load(from + (row * stride) + (p * TStored.Size)) : 0f;
                }
            }
        }
    }

    private static void Transpose4<TStored>(byte* x, nint stride, int steps, int width, float* to)
        where TStored : struct, IStored
    {
        byte* x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
        int p = 0;
        for (; p <= steps - 4; p += 4, to += 4 * width)
        {
            nint at = p * TStored.Size;
            Vector128<float> r0 = TStored.Load4(x + at), r1 = TStored.Load4(x1 + at), r2 = TStored.Load4(x2 + at), r3 = TStored.Load4(x3 + at);
            Vector128<float> low01 = Interleave.Low(r0, r1), low23 = Interleave.Low(r2, r3);
            Vector128<float> high01 = Interleave.High(r0, r1), high23 = Interleave.High(r2, r3);
            Interleave.LowerHalves(low01, low23).Store(to);
            Interleave.UpperHalves(low01, low23).Store(to + width);
            Interleave.LowerHalves(high01, high23).Store(to + (2 * width));
            Interleave.UpperHalves(high01, high23).Store(to + (3 * width));
        }

        for (; p < steps; p++, to += width)
        {
            nint at = p * TStored.Size;
            to[0] = TStored.Load(x + at);
            to[1] = TStored.Load(x1 + at);
            to[2] = TStored.Load(x2 + at);
            to[3] = TStored.Load(x3 + at);
        }
    }
}

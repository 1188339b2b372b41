using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>
/// Layout of the heads of q, k, v or o in a buffer: element (token t, head h, dimension d) is data[t·RowStride + Offset + h·HeadStride +
/// d].
/// </summary>
internal readonly record struct HeadLayout(int RowStride, int Offset, int HeadStride)
{
    /// <summary>Length of the shortest buffer for these tokens, heads and dimensions.</summary>
    internal long Span(long tokens, int heads, int headDim) =>
        tokens == 0 ? 0 : ((tokens - 1) * RowStride) + Offset + ((heads - 1L) * HeadStride) + headDim;
}

/// <summary>Rotary position embedding, in place (Su et al. 2021). Tested against the definition by RopeTests.</summary>
internal static unsafe class Rope
{
    /// <summary>
    /// Rotates the first rotaryDim dimensions of each head by the angles of the row's position. cos and sin are
    /// (positions × rotaryDim/2). Pairs are (i, i + rotaryDim/2), or (2i, 2i + 1) when interleaved; inverse rotates back.
    /// </summary>
    public static void Apply(
        Span<float> data, int rows, int heads, HeadLayout layout, int rotaryDim, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin,
        ReadOnlySpan<int> positions, bool interleaved, bool inverse, WorkerPool pool)
    {
        Sizes.AtLeast<float>(data, layout.Span(rows, heads, rotaryDim));
        Sizes.AtLeast(positions, rows);
        fixed (float* pd = data, pc = cos, ps = sin)
        fixed (int* pp = positions)
        {
            int half = rotaryDim / 2, table = Math.Min(cos.Length, sin.Length);
            Ranges.ForRows(rows, heads * rotaryDim, new Body(pd, heads, layout, half, pc, ps, pp, table, interleaved, inverse), pool);
        }
    }

    private readonly struct Body(
        float* data, int heads, HeadLayout layout, int half, float* cos, float* sin, int* positions, int table,
        bool interleaved, bool inverse) : IRangeBody
    {
        private readonly float* _data = data, _cos = cos, _sin = sin;
        private readonly int* _positions = positions;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            for (int r = start; r < start + count; r++)
            {
                long at = (long)_positions[r] * half;
                if (at < 0 || at + half > table)
                {
                    throw new ArgumentOutOfRangeException(
                        nameof(positions), $"Position {_positions[r]} lies outside a rotary table of {table / half} positions.");
                }

                float* row = _data + ((long)r * layout.RowStride) + layout.Offset;
                for (int h = 0; h < heads; h++)
                {
                    if (interleaved)
                    {
                        Pairs(row + ((long)h * layout.HeadStride), _cos + at, _sin + at);
                    }
                    else
                    {
                        Halves(row + ((long)h * layout.HeadStride), _cos + at, _sin + at);
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Halves(float* x, float* c, float* s)
        {
            int width = Simd.Width, i = 0;
            float* y = x + half;
            for (; i <= half - width; i += width)
            {
                Vector<float> a = Vector.Load(x + i), b = Vector.Load(y + i), cosine = Vector.Load(c + i);
                var sine = inverse ? -Vector.Load(s + i) : Vector.Load(s + i);
                ((a * cosine) - (b * sine)).Store(x + i);
                ((b * cosine) + (a * sine)).Store(y + i);
            }

            for (; i < half; i++)
            {
                Rotate(ref x[i], ref y[i], c[i], s[i]);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Pairs(float* x, float* c, float* s)
        {
            for (int i = 0; i < half; i++)
            {
                Rotate(ref x[2 * i], ref x[(2 * i) + 1], c[i], s[i]);
            }
        }

        private void Rotate(ref float a, ref float b, float c, float s)
        {
            float t = inverse ? -s : s, first = a;
            a = (first * c) - (b * t);
            b = (b * c) + (first * t);
        }
    }
}

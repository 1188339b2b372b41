using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// One AdamW step of a parameter whose moments have 8 bits, see <see cref="BlockwiseAdamFactors"/>. A moment is a code of
/// <see cref="DynamicMap"/> times the scale of its block of 256, which is the block's greatest magnitude. A step decodes a block, updates
/// moments and values in F32, and encodes the moments with the new scale; the values follow the moments before they are encoded. As in
/// bitsandbytes, the code of a first moment never has another sign than the moment: one that is less than 0 is not rounded to 0. An element
/// whose gradient is not finite keeps its value and loses its moments. Ranges start at multiples of a block.
/// </summary>
/// <param name="f">The factors.</param>
/// <param name="p">The values.</param>
/// <param name="g">The gradient.</param>
/// <param name="state1">Codes of the first moment.</param>
/// <param name="state2">Codes of the second moment.</param>
/// <param name="absmax1">Scales of the first moment, one a block.</param>
/// <param name="absmax2">Scales of the second moment.</param>
internal readonly unsafe struct BlockwiseAdamBody(
    BlockwiseAdamFactors f, float* p, float* g, byte* state1, byte* state2, float* absmax1, float* absmax2) : IRangeBody
{
    private const int Block = BlockwiseAdamFactors.BlockSize;

    private readonly float* _p = p, _g = g, _absmax1 = absmax1, _absmax2 = absmax2;
    private readonly byte* _state1 = state1, _state2 = state2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int start, int count)
    {
        float* m = stackalloc float[Block], v = stackalloc float[Block];
        for (int at = start; at < start + count; at += Block)
        {
            int n = Math.Min(Block, start + count - at);
            float* scale1 = _absmax1 + (at / Block), scale2 = _absmax2 + (at / Block);
            Decode(_state1 + at, DynamicMap.Signed.Values, *scale1, m, n);
            Decode(_state2 + at, DynamicMap.Unsigned.Values, *scale2, v, n);
            (*scale1, *scale2) = Update(_p + at, _g + at, m, v, n);
            EncodeSigned(m, *scale1, _state1 + at, n);
            Encode(v, *scale2, _state2 + at, n);
        }
    }

    private static void Decode(byte* codes, float[] values, float scale, float* x, int n)
    {
        for (int i = 0; i < n; i++)
        {
            x[i] = values[codes[i]] * scale;
        }
    }

    private static void Encode(float* x, float scale, byte* codes, int n)
    {
        var (thresholds, buckets) = DynamicMap.Unsigned.Tables;
        for (int i = 0; i < n; i++)
        {
            codes[i] = DynamicMap.EncodeFast(x[i] / scale, thresholds, buckets);
        }
    }

    private static void EncodeSigned(float* x, float scale, byte* codes, int n)
    {
        float[] values = DynamicMap.Signed.Values;
        var (thresholds, buckets) = DynamicMap.Signed.Tables;
        for (int i = 0; i < n; i++)
        {
            byte code = DynamicMap.EncodeFast(x[i] / scale, thresholds, buckets);
            // Of a block of zeros the quotient is NaN, and whatever the code is, it means 0.
            if (float.IsNegative(values[code]) != float.IsNegative(x[i]))
            {
                code = (byte)(x[i] > 0 ? code + 1 : code - 1);
            }

            codes[i] = code;
        }
    }

    /// <summary>Updates a block and returns the greatest magnitudes of its moments.</summary>
    private (float First, float Second) Update(float* p, float* g, float* m, float* v, int n)
    {
        int width = Simd.Width, i = 0;
        Vector<float> first = default, second = default;
        for (; i <= n - width; i += width)
        {
            Vector<float> pi = Vector.Load(p + i), mi = Vector.Load(m + i), vi = Vector.Load(v + i);
            Update(ref pi, Vector.Load(g + i), ref mi, ref vi);
            first = Vector.Max(first, Vector.Abs(mi));
            second = Vector.Max(second, vi);
            pi.Store(p + i);
            mi.Store(m + i);
            vi.Store(v + i);
        }

        float max1 = 0, max2 = 0;
        for (int lane = 0; lane < width; lane++)
        {
            (max1, max2) = (Math.Max(max1, first[lane]), Math.Max(max2, second[lane]));
        }

        for (; i < n; i++)
        {
            bool finite = float.IsFinite(g[i]);
            m[i] = finite ? f.First(m[i], g[i]) : 0;
            v[i] = finite ? f.Second(v[i], g[i]) : 0;
            p[i] = finite ? f.Value(p[i], m[i], v[i]) : p[i];
            (max1, max2) = (Math.Max(max1, Math.Abs(m[i])), Math.Max(max2, v[i]));
        }

        return (max1, max2);
    }

    private void Update(ref Vector<float> p, Vector<float> gradient, ref Vector<float> m, ref Vector<float> v)
    {
        var finite = Vector.Equals(gradient - gradient, Vector<float>.Zero);
        var g = gradient * f.Gradient;
        v = Vector.ConditionalSelect(finite, (v * f.Beta2) + (f.Square * g * g), Vector<float>.Zero);
        m = Vector.ConditionalSelect(finite, (m * f.Beta1) + (f.Blend * g), Vector<float>.Zero);
        var value = (p - (f.Rate * (m / (Vector.SquareRoot(v) + new Vector<float>(f.Epsilon))))) * f.Keep;
        p = Vector.ConditionalSelect(finite, value, p);
    }
}

/// <summary>The same step of a parameter whose moments are F32, because it is small.</summary>
internal readonly unsafe struct SmallBlockwiseAdamBody(BlockwiseAdamFactors f, float* p, float* g, float* m, float* v) : IRangeBody
{
    private readonly float* _p = p, _g = g, _m = m, _v = v;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int start, int count)
    {
        for (int i = start; i < start + count; i++)
        {
            _m[i] = f.First(_m[i], _g[i]);
            _v[i] = f.Second(_v[i], _g[i]);
            _p[i] = f.Value(_p[i], _m[i], _v[i]);
        }
    }
}

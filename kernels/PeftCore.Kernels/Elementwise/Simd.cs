using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Vector loads, stores and reductions over raw pointers, with partial vectors at the end.</summary>
internal static unsafe class Simd
{
    public static int Width
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector<float>.Count;
    }

    /// <summary>Loads the first <paramref name="count"/> elements; the rest is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> LoadPart(float* p, int count)
    {
        Vector<float> v = default;
        Buffer.MemoryCopy(p, &v, sizeof(Vector<float>), count * sizeof(float));
        return v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(Vector<float> v, float* p, int count) =>
        Buffer.MemoryCopy(&v, p, count * sizeof(float), count * sizeof(float));

    /// <summary>Σ x·y in four interleaved sums, in an order fixed by the length alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* x, float* y, int count)
    {
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= count - (4 * Width); i += 4 * Width)
        {
            s0 = VectorMath.MultiplyAdd(Vector.Load(x + i), Vector.Load(y + i), s0);
            s1 = VectorMath.MultiplyAdd(Vector.Load(x + i + Width), Vector.Load(y + i + Width), s1);
            s2 = VectorMath.MultiplyAdd(Vector.Load(x + i + (2 * Width)), Vector.Load(y + i + (2 * Width)), s2);
            s3 = VectorMath.MultiplyAdd(Vector.Load(x + i + (3 * Width)), Vector.Load(y + i + (3 * Width)), s3);
        }

        for (; i <= count - Width; i += Width)
        {
            s0 = VectorMath.MultiplyAdd(Vector.Load(x + i), Vector.Load(y + i), s0);
        }

        if (i < count)
        {
            s1 = VectorMath.MultiplyAdd(LoadPart(x + i, count - i), LoadPart(y + i, count - i), s1);
        }

        return Vector.Sum((s0 + s1) + (s2 + s3));
    }

    /// <summary>Σ x·y·z.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* x, float* y, float* z, int count)
    {
        Vector<float> s0 = default, s1 = default;
        int i = 0;
        for (; i <= count - (2 * Width); i += 2 * Width)
        {
            s0 = VectorMath.MultiplyAdd(Vector.Load(x + i) * Vector.Load(y + i), Vector.Load(z + i), s0);
            s1 = VectorMath.MultiplyAdd(
                Vector.Load(x + i + Width) * Vector.Load(y + i + Width), Vector.Load(z + i + Width), s1);
        }

        for (; i < count; i += Width)
        {
            int n = Math.Min(Width, count - i);
            s0 = n == Width
                ? VectorMath.MultiplyAdd(Vector.Load(x + i) * Vector.Load(y + i), Vector.Load(z + i), s0)
                : VectorMath.MultiplyAdd(LoadPart(x + i, n) * LoadPart(y + i, n), LoadPart(z + i, n), s0);
        }

        return Vector.Sum(s0 + s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(float* x, int count)
    {
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= count - (4 * Width); i += 4 * Width)
        {
            s0 += Vector.Load(x + i);
            s1 += Vector.Load(x + i + Width);
            s2 += Vector.Load(x + i + (2 * Width));
            s3 += Vector.Load(x + i + (3 * Width));
        }

        for (; i < count; i += Width)
        {
            s0 += count - i >= Width ? Vector.Load(x + i) : LoadPart(x + i, count - i);
        }

        return Vector.Sum((s0 + s1) + (s2 + s3));
    }

    /// <summary>Σ (x − center)².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float SquaredDistance(float* x, float center, int count)
    {
        Vector<float> c = new(center), s0 = default, s1 = default, s2 = default, s3 = default;
        int i = 0;
        for (; i <= count - (4 * Width); i += 4 * Width)
        {
            s0 = AddSquare(Vector.Load(x + i) - c, s0);
            s1 = AddSquare(Vector.Load(x + i + Width) - c, s1);
            s2 = AddSquare(Vector.Load(x + i + (2 * Width)) - c, s2);
            s3 = AddSquare(Vector.Load(x + i + (3 * Width)) - c, s3);
        }

        for (; i <= count - Width; i += Width)
        {
            s0 = AddSquare(Vector.Load(x + i) - c, s0);
        }

        float rest = 0;
        for (; i < count; i++)
        {
            rest += (x[i] - center) * (x[i] - center);
        }

        return Vector.Sum((s0 + s1) + (s2 + s3)) + rest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> AddSquare(Vector<float> d, Vector<float> sum) => VectorMath.MultiplyAdd(d, d, sum);

    /// <summary>The largest number, or −∞ of none. NaN if all are NaN; otherwise a NaN may be passed over, which the exponentials of a
    /// softmax bring back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Max(float* x, int count)
    {
        float max = float.NegativeInfinity;
        int i = 0;
        if (count >= 4 * Width)
        {
            // Of two operands the processor takes the second if one is NaN.
            Vector<float> m0 = Vector.Load(x), m1 = Vector.Load(x + Width), m2 = Vector.Load(x + (2 * Width)),
                m3 = Vector.Load(x + (3 * Width));
            for (i = 4 * Width; i <= count - (4 * Width); i += 4 * Width)
            {
                m0 = Vector.MaxNative(m0, Vector.Load(x + i));
                m1 = Vector.MaxNative(m1, Vector.Load(x + i + Width));
                m2 = Vector.MaxNative(m2, Vector.Load(x + i + (2 * Width)));
                m3 = Vector.MaxNative(m3, Vector.Load(x + i + (3 * Width)));
            }

            float* lanes = stackalloc float[Width];
            Vector.MaxNative(Vector.MaxNative(m0, m1), Vector.MaxNative(m2, m3)).Store(lanes);
            for (int lane = 0; lane < Width; lane++)
            {
                max = MathF.Max(max, lanes[lane]);
            }
        }

        for (; i < count; i++)
        {
            max = MathF.Max(max, x[i]);
        }

        return max;
    }

    /// <summary>y += factor·x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(float* x, float factor, float* y, int count)
    {
        Vector<float> f = new(factor);
        int i = 0;
        for (; i <= count - Width; i += Width)
        {
            VectorMath.MultiplyAdd(f, Vector.Load(x + i), Vector.Load(y + i)).Store(y + i);
        }

        if (i < count)
        {
            StorePart(VectorMath.MultiplyAdd(f, LoadPart(x + i, count - i), LoadPart(y + i, count - i)), y + i, count - i);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>The instructions of an integer product.</summary>
internal enum Int8Level
{
    /// <summary>One product at a time.</summary>
    Scalar,

    /// <summary>AVX2: products of 16-bit numbers, two added to a sum of 32 bits (vpmaddwd).</summary>
    Avx2,

    /// <summary>AVX-VNNI: four products of bytes added to a sum of 32 bits (vpdpbusd). .NET 10 has it for vectors of 32 bytes.</summary>
    Vnni,
}

/// <summary>Dot products of four rows of W with three rows of x, signed bytes, as sums of 32 bits: exact for up to 133,000 steps.</summary>
/// <param name="w0">The first row of W, and so on.</param>
/// <param name="w1">The second.</param>
/// <param name="w2">The third.</param>
/// <param name="w3">The fourth.</param>
/// <param name="x0">The first row of x.</param>
/// <param name="x1">The second.</param>
/// <param name="x2">The third.</param>
/// <param name="steps">Bytes of a row.</param>
internal readonly unsafe ref struct Int8Tile(sbyte* w0, sbyte* w1, sbyte* w2, sbyte* w3, sbyte* x0, sbyte* x1, sbyte* x2, int steps)
{
    /// <summary>Rows of W and of x.</summary>
    public const int RowsOfW = 4, RowsOfX = 3;

    /// <summary>Bytes of a vector of vpdpbusd.</summary>
    public const int VnniBytes = 32;

    private const int CacheLine = 64;

    private readonly sbyte* _w0 = w0, _w1 = w1, _w2 = w2, _w3 = w3;
    private readonly sbyte* _x0 = x0, _x1 = x1, _x2 = x2;

    private readonly int _steps = steps;

    /// <summary>The best instructions of this processor.</summary>
    public static Int8Level Best { get; } = AvxVnni.IsSupported ? Int8Level.Vnni : Avx2.IsSupported ? Int8Level.Avx2 : Int8Level.Scalar;

    /// <summary>The sums of the three rows of x, one for each row of W.</summary>
    /// <param name="level">The instructions.</param>
    /// <param name="y0">Sums of the first row of x, and so on.</param>
    /// <param name="y1">Of the second.</param>
    /// <param name="y2">Of the third.</param>
    /// <remarks>vpdpbusd takes unsigned bytes on one side: with VNNI the sums are too large by 128 times the sum of the row of x over whole
    /// vectors, which the caller knows.</remarks>
    public void Run(Int8Level level, out Vector128<int> y0, out Vector128<int> y1, out Vector128<int> y2)
    {
        int done = 0;
        y0 = y1 = y2 = default;
        if (level == Int8Level.Vnni)
        {
            done = Vnni(out y0, out y1, out y2);
        }
        else if (level == Int8Level.Avx2)
        {
            done = WithAvx2(out y0, out y1, out y2);
        }
        for (int p = done; p < _steps; p++)
        {
            var w = Weights(p);
            y0 += w * _x0[p];
            y1 += w * _x1[p];
            y2 += w * _x2[p];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Vnni(out Vector128<int> y0, out Vector128<int> y1, out Vector128<int> y2)
    {
        sbyte* w0 = _w0, w1 = _w1, w2 = _w2, w3 = _w3, x0 = _x0, x1 = _x1, x2 = _x2;
        Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector256<int> c0 = default, c1 = default, c2 = default, c3 = default;
        var flip = Vector256.Create((byte)0x80);
        int p = 0;
        for (; p <= _steps - VnniBytes; p += VnniBytes)
        {
            Vector256<byte> v0 = Vector256.Load((byte*)w0 + p) ^ flip, v1 = Vector256.Load((byte*)w1 + p) ^ flip;
            Vector256<byte> v2 = Vector256.Load((byte*)w2 + p) ^ flip, v3 = Vector256.Load((byte*)w3 + p) ^ flip;
            var x = Vector256.Load(x0 + p);
            a0 = AvxVnni.MultiplyWideningAndAdd(a0, v0, x);
            a1 = AvxVnni.MultiplyWideningAndAdd(a1, v1, x);
            a2 = AvxVnni.MultiplyWideningAndAdd(a2, v2, x);
            a3 = AvxVnni.MultiplyWideningAndAdd(a3, v3, x);
            x = Vector256.Load(x1 + p);
            b0 = AvxVnni.MultiplyWideningAndAdd(b0, v0, x);
            b1 = AvxVnni.MultiplyWideningAndAdd(b1, v1, x);
            b2 = AvxVnni.MultiplyWideningAndAdd(b2, v2, x);
            b3 = AvxVnni.MultiplyWideningAndAdd(b3, v3, x);
            x = Vector256.Load(x2 + p);
            c0 = AvxVnni.MultiplyWideningAndAdd(c0, v0, x);
            c1 = AvxVnni.MultiplyWideningAndAdd(c1, v1, x);
            c2 = AvxVnni.MultiplyWideningAndAdd(c2, v2, x);
            c3 = AvxVnni.MultiplyWideningAndAdd(c3, v3, x);
        }
        y0 = Sums(a0, a1, a2, a3);
        y1 = Sums(b0, b1, b2, b3);
        y2 = Sums(c0, c1, c2, c3);
        return p;
    }

    /// <summary>The sums of the first row of x alone, as decoding needs. The rows of W are read once, so that memory limits the rate; the
    /// next four, which follow in memory, are fetched ahead, because a row is too short for the processor to foresee them.</summary>
    /// <param name="level">The instructions.</param>
    /// <param name="y">The sums, one for each row of W; with VNNI too large as in <see cref="Run"/>.</param>
    public void RunOne(Int8Level level, out Vector128<int> y)
    {
        if (level != Int8Level.Vnni)
        {
            Run(level, out y, out _, out _);
            return;
        }
        int done = VnniOne(out y);
        for (int p = done; p < _steps; p++)
        {
            y += Weights(p) * _x0[p];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int VnniOne(out Vector128<int> y)
    {
        sbyte* w0 = _w0, w1 = _w1, w2 = _w2, w3 = _w3, x0 = _x0;
        Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
        var flip = Vector256.Create((byte)0x80);
        long ahead = (long)RowsOfW * _steps;
        int p = 0;
        for (; p <= _steps - VnniBytes; p += VnniBytes)
        {
            if (p % CacheLine == 0)
            {
                Sse.Prefetch0(w0 + p + ahead);
                Sse.Prefetch0(w1 + p + ahead);
                Sse.Prefetch0(w2 + p + ahead);
                Sse.Prefetch0(w3 + p + ahead);
            }
            var x = Vector256.Load(x0 + p);
            a0 = AvxVnni.MultiplyWideningAndAdd(a0, Vector256.Load((byte*)w0 + p) ^ flip, x);
            a1 = AvxVnni.MultiplyWideningAndAdd(a1, Vector256.Load((byte*)w1 + p) ^ flip, x);
            a2 = AvxVnni.MultiplyWideningAndAdd(a2, Vector256.Load((byte*)w2 + p) ^ flip, x);
            a3 = AvxVnni.MultiplyWideningAndAdd(a3, Vector256.Load((byte*)w3 + p) ^ flip, x);
        }
        y = Sums(a0, a1, a2, a3);
        return p;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int WithAvx2(out Vector128<int> y0, out Vector128<int> y1, out Vector128<int> y2)
    {
        sbyte* w0 = _w0, w1 = _w1, w2 = _w2, w3 = _w3, x0 = _x0, x1 = _x1, x2 = _x2;
        Vector256<int> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<int> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector256<int> c0 = default, c1 = default, c2 = default, c3 = default;
        int p = 0;
        for (; p <= _steps - 16; p += 16)
        {
            Vector256<short> v0 = Words(w0 + p), v1 = Words(w1 + p), v2 = Words(w2 + p), v3 = Words(w3 + p), x = Words(x0 + p);
            a0 += Avx2.MultiplyAddAdjacent(v0, x);
            a1 += Avx2.MultiplyAddAdjacent(v1, x);
            a2 += Avx2.MultiplyAddAdjacent(v2, x);
            a3 += Avx2.MultiplyAddAdjacent(v3, x);
            x = Words(x1 + p);
            b0 += Avx2.MultiplyAddAdjacent(v0, x);
            b1 += Avx2.MultiplyAddAdjacent(v1, x);
            b2 += Avx2.MultiplyAddAdjacent(v2, x);
            b3 += Avx2.MultiplyAddAdjacent(v3, x);
            x = Words(x2 + p);
            c0 += Avx2.MultiplyAddAdjacent(v0, x);
            c1 += Avx2.MultiplyAddAdjacent(v1, x);
            c2 += Avx2.MultiplyAddAdjacent(v2, x);
            c3 += Avx2.MultiplyAddAdjacent(v3, x);
        }
        y0 = Sums(a0, a1, a2, a3);
        y1 = Sums(b0, b1, b2, b3);
        y2 = Sums(c0, c1, c2, c3);
        return p;
    }

    // A byte of each row of W.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector128<int> Weights(int p) => Vector128.Create(_w0[p], _w1[p], _w2[p], _w3[p]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Words(sbyte* p) => Avx2.ConvertToVector256Int16(Vector128.Load(p));

    // (Σ a, Σ b, Σ c, Σ d)
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Sums(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d)
    {
        var sums = Avx2.HorizontalAdd(Avx2.HorizontalAdd(a, b), Avx2.HorizontalAdd(c, d));
        return sums.GetLower() + sums.GetUpper();
    }
}

using System.Numerics;
using System.Runtime.InteropServices;

namespace PeftCore.Peft.Numerics;

/// <summary>Matrix-vector products of four rows at once: each loaded vector is used four times, so that arithmetic is the limit, not memory
/// bandwidth. The tails of the loops are the readable form.</summary>
internal static class Gemv4
{
    /// <summary>sum += a₀·w₀ + a₁·w₁ + a₂·w₂ + a₃·w₃, with the rows of W <paramref name="stride"/> apart.</summary>
    public static void AddTo(Span<double> sum, ReadOnlySpan<double> w, int stride, ReadOnlySpan<double> a)
    {
        var y = MemoryMarshal.Cast<double, Vector<double>>(sum);
        var w0 = Vectors(w, 0, sum.Length);
        var w1 = Vectors(w, stride, sum.Length);
        var w2 = Vectors(w, 2 * stride, sum.Length);
        var w3 = Vectors(w, 3 * stride, sum.Length);
        var (a0, a1, a2, a3) = (new Vector<double>(a[0]), new Vector<double>(a[1]), new Vector<double>(a[2]), new Vector<double>(a[3]));
        for (int k = 0; k < y.Length; k++)
        {
            var even = Vector.MultiplyAddEstimate(w0[k], a0, y[k]);
            even = Vector.MultiplyAddEstimate(w2[k], a2, even);
            y[k] = even + Vector.MultiplyAddEstimate(w1[k], a1, w3[k] * a3);
        }
        for (int k = y.Length * Vector<double>.Count; k < sum.Length; k++)
        {
            sum[k] += a[0] * w[k] + a[1] * w[stride + k] + (a[2] * w[2 * stride + k] + a[3] * w[3 * stride + k]);
        }
    }

    /// <summary>dots[i] += x · wᵢ for four rows of W, <paramref name="stride"/> apart.</summary>
    public static void AddDots(Span<double> dots, ReadOnlySpan<double> x, ReadOnlySpan<double> w, int stride)
    {
        var v = MemoryMarshal.Cast<double, Vector<double>>(x);
        var w0 = Vectors(w, 0, x.Length);
        var w1 = Vectors(w, stride, x.Length);
        var w2 = Vectors(w, 2 * stride, x.Length);
        var w3 = Vectors(w, 3 * stride, x.Length);
        var (d0, d1, d2, d3) = (Vector<double>.Zero, Vector<double>.Zero, Vector<double>.Zero, Vector<double>.Zero);
        for (int k = 0; k < v.Length; k++)
        {
            d0 = Vector.MultiplyAddEstimate(v[k], w0[k], d0);
            d1 = Vector.MultiplyAddEstimate(v[k], w1[k], d1);
            d2 = Vector.MultiplyAddEstimate(v[k], w2[k], d2);
            d3 = Vector.MultiplyAddEstimate(v[k], w3[k], d3);
        }
        dots[0] += Vector.Sum(d0);
        dots[1] += Vector.Sum(d1);
        dots[2] += Vector.Sum(d2);
        dots[3] += Vector.Sum(d3);
        for (int k = v.Length * Vector<double>.Count; k < x.Length; k++)
        {
            dots[0] += x[k] * w[k];
            dots[1] += x[k] * w[stride + k];
            dots[2] += x[k] * w[2 * stride + k];
            dots[3] += x[k] * w[3 * stride + k];
        }
    }

    private static ReadOnlySpan<Vector<double>> Vectors(ReadOnlySpan<double> w, int first, int length) =>
        MemoryMarshal.Cast<double, Vector<double>>(w.Slice(first, length));
}

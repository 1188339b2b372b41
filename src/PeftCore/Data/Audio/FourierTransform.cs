using System.Numerics;

namespace PeftCore.Data;

/// <summary>The discrete Fourier transform of any length n, X[k] = Σ_t x[t]·exp(−2πi·k·t/n), in double precision. A length
/// n = p₁·p₂·… of prime factors takes O(n·(p₁ + p₂ + …)) steps (Cooley and Tukey 1965, mixed radix).</summary>
internal sealed class FourierTransform
{
    private readonly int[] _factors;
    private readonly Complex[] _roots; // exp(−2πi·j/n)

    /// <summary>Prepares transforms of one length.</summary>
    public FourierTransform(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        Length = length;
        _factors = [.. FactorsOf(length)];
        _roots = [.. Enumerable.Range(0, length).Select(j => Complex.FromPolarCoordinates(1, -2 * Math.PI * j / length))];
    }

    /// <summary>Length n.</summary>
    public int Length { get; }

    /// <summary>Transforms a signal. The two spans must not overlap.</summary>
    /// <param name="x">(n): the signal.</param>
    /// <param name="spectrum">(n): the result.</param>
    public void Forward(ReadOnlySpan<Complex> x, Span<Complex> spectrum)
    {
        Span<Complex> terms = stackalloc Complex[64];
        int largest = _factors.Length == 0 ? 1 : _factors.Max();
        Transform(x, 1, spectrum[..Length], 0, largest <= terms.Length ? terms : new Complex[largest]);
    }

    // A transform of n elements is p transforms of every p-th element, joined by twiddle factors: with m = n/p,
    // X[r·m + k] = Σ_q ω_p^(q·r)·(ω_n^(q·k)·Y_q[k]).
    private void Transform(ReadOnlySpan<Complex> x, int stride, Span<Complex> y, int level, Span<Complex> terms)
    {
        if (y.Length == 1)
        {
            y[0] = x[0];
            return;
        }
        int p = _factors[level], m = y.Length / p;
        for (int q = 0; q < p; q++)
        {
            Transform(x[(q * stride)..], stride * p, y.Slice(q * m, m), level + 1, terms);
        }
        int step = Length / p;
        for (int k = 0; k < m; k++)
        {
            for (int q = 0; q < p; q++)
            {
                terms[q] = y[q * m + k] * _roots[q * k * stride];
            }
            for (int r = 0; r < p; r++)
            {
                var sum = terms[0];
                for (int q = 1; q < p; q++)
                {
                    sum += terms[q] * _roots[q * r % p * step];
                }
                y[r * m + k] = sum;
            }
        }
    }

    private static IEnumerable<int> FactorsOf(int n)
    {
        for (int p = 2; n > 1; p = (long)p * p > n ? n : p + 1)
        {
            while (n % p == 0)
            {
                yield return p;
                n /= p;
            }
        }
    }
}

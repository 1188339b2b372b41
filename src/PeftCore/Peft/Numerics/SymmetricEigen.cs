using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PeftCore.Peft.Numerics;

/// <summary>All eigenvalues and eigenvectors of a symmetric matrix: Householder reflections to tridiagonal form, then implicit QR steps
/// with Wilkinson's shift (Golub and Van Loan, sections 8.3.1 and 8.3.3).</summary>
internal static class SymmetricEigen
{
    private const int MaxStepsPerValue = 60;

    /// <summary>Solves A (n, n) in place of A. Values descend; vectors are the rows.</summary>
    public static (double[] Values, double[] Vectors) Solve(double[] a, int n)
    {
        double[] off = new double[n];
        double[] vectors = Tridiagonalize(a, n, off);
        double[] values = new double[n];
        for (int i = 0; i < n; i++)
        {
            values[i] = a[i * n + i];
        }
        Diagonalize(values, off, vectors, n);
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(i => values[i])];
        double[] sorted = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            vectors.AsSpan(order[i] * n, n).CopyTo(sorted.AsSpan(i * n));
        }
        return ([.. order.Select(i => values[i])], sorted);
    }

    /// <summary>Reduces A to tridiagonal form by reflections I − β·v·vᵀ. The diagonal is left in A; returned is the transposed product of
    /// the reflections, whose rows are the basis in which A is tridiagonal.</summary>
    private static double[] Tridiagonalize(double[] a, int n, double[] off)
    {
        double[] reflections = new double[n * n]; // v of step k in row k, from column k + 1 on
        double[] betas = new double[n];
        double[] p = new double[n];
        for (int k = 0; k + 1 < n; k++)
        {
            int rest = n - k - 1;
            var v = reflections.AsSpan(k * n + k + 1, rest);
            a.AsSpan(k * n + k + 1, rest).CopyTo(v); // row k, which is column k
            (off[k], betas[k]) = Reflection(v);
            if (betas[k] == 0)
            {
                continue;
            }
            var w = p.AsSpan(0, rest);
            for (int i = 0; i < rest; i++)
            {
                w[i] = betas[k] * TensorPrimitives.Dot(a.AsSpan((k + 1 + i) * n + k + 1, rest), v);
            }
            TensorPrimitives.MultiplyAdd(v, -0.5 * betas[k] * TensorPrimitives.Dot<double>(w, v), w, w);
            for (int i = 0; i < rest; i++)
            {
                var row = a.AsSpan((k + 1 + i) * n + k + 1, rest);
                TensorPrimitives.MultiplyAdd(w, -v[i], row, row);
                TensorPrimitives.MultiplyAdd(v, -w[i], row, row);
            }
        }
        return Product(reflections, betas, n);
    }

    /// <summary>Replaces x by the v of the reflection that maps x to (α, 0, …).</summary>
    private static (double Alpha, double Beta) Reflection(Span<double> x)
    {
        double tail = TensorPrimitives.SumOfSquares<double>(x[1..]);
        if (tail == 0)
        {
            return (x[0], 0);
        }
        double alpha = -Math.CopySign(Math.Sqrt(x[0] * x[0] + tail), x[0]);
        x[0] -= alpha;
        return (alpha, 2 / (x[0] * x[0] + tail));
    }

    /// <summary>(H₀·H₁ ⋯)ᵀ, multiplied from the last reflection to the first, so that each changes only the part that is not zero
    /// yet.</summary>
    private static double[] Product(double[] reflections, double[] betas, int n)
    {
        double[] z = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            z[i * n + i] = 1;
        }
        for (int k = n - 2; k >= 0; k--)
        {
            int rest = n - k - 1;
            var v = reflections.AsSpan(k * n + k + 1, rest);
            for (int i = k + 1; betas[k] != 0 && i < n; i++)
            {
                var row = z.AsSpan(i * n + k + 1, rest);
                TensorPrimitives.MultiplyAdd(v, -betas[k] * TensorPrimitives.Dot<double>(row, v), row, row);
            }
        }
        return z;
    }

    private static void Diagonalize(double[] d, double[] e, double[] z, int n)
    {
        double scale = d.Concat(e).Max(Math.Abs);
        if (!d.Concat(e).All(double.IsFinite))
        {
            throw new ArgumentException("a matrix with NaN or infinity has no eigenvalues");
        }
        int steps = 0;
        for (int hi = n - 1; hi > 0;)
        {
            int lo = hi;
            while (lo > 0 && !IsZero(d, e, lo - 1, scale))
            {
                lo--;
            }
            if (lo == hi)
            {
                hi--;
            }
            else if (++steps > MaxStepsPerValue * n)
            {
                throw new InvalidOperationException("the eigenvalues did not converge");
            }
            else
            {
                Step(d, e, z, n, lo, hi);
            }
        }
    }

    private static bool IsZero(double[] d, double[] e, int i, double scale) =>
        Math.Abs(e[i]) <= 1e-16 * (Math.Abs(d[i]) + Math.Abs(d[i + 1])) + 1e-18 * scale;

    /// <summary>One implicit QR step with Wilkinson's shift on rows lo … hi.</summary>
    private static void Step(double[] d, double[] e, double[] z, int n, int lo, int hi)
    {
        double half = (d[hi - 1] - d[hi]) / 2;
        double last = e[hi - 1];
        double shift = d[hi] - last * last / (half + Math.CopySign(Math.Sqrt(half * half + last * last), half));
        double x = d[lo] - shift, y = e[lo];
        for (int k = lo; k < hi; k++)
        {
            double r = Math.Sqrt(x * x + y * y);
            double c = r > 0 ? x / r : 1, s = r > 0 ? y / r : 0;
            if (k > lo)
            {
                e[k - 1] = r;
            }
            double a = d[k], b = d[k + 1], f = e[k];
            d[k] = c * c * a + 2 * c * s * f + s * s * b;
            d[k + 1] = s * s * a - 2 * c * s * f + c * c * b;
            e[k] = c * s * (b - a) + (c * c - s * s) * f;
            if (k < hi - 1)
            {
                (x, y) = (e[k], s * e[k + 1]);
                e[k + 1] *= c;
            }
            Rotate(z.AsSpan(k * n, n), z.AsSpan((k + 1) * n, n), c, s);
        }
    }

    private static void Rotate(Span<double> p, Span<double> q, double c, double s)
    {
        var vp = MemoryMarshal.Cast<double, Vector<double>>(p);
        var vq = MemoryMarshal.Cast<double, Vector<double>>(q);
        for (int k = 0; k < vp.Length; k++)
        {
            var (x, y) = (vp[k], vq[k]);
            vp[k] = x * c + y * s;
            vq[k] = y * c - x * s;
        }
        for (int k = vp.Length * Vector<double>.Count; k < p.Length; k++)
        {
            var (x, y) = (p[k], q[k]);
            p[k] = x * c + y * s;
            q[k] = y * c - x * s;
        }
    }
}

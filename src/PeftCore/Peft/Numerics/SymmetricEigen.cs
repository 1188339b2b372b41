namespace PeftCore.Peft.Numerics;

/// <summary>All eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations (Golub and Van Loan, section 8.5): slow and accurate.</summary>
internal static class SymmetricEigen
{
    private const int MaxSweeps = 60;

    /// <summary>Solves A (n, n); A is destroyed. Vectors come back as rows.</summary>
    public static (double[] Values, double[] Vectors) Solve(double[] a, int n)
    {
        var v = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            v[i * n + i] = 1;
        }
        double scale = Dense.Dot(a, a);
        for (int sweep = 0; sweep < MaxSweeps && OffDiagonal(a, n) > 1e-30 * scale; sweep++)
        {
            for (int p = 0; p < n - 1; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    Rotate(a, v, n, p, q);
                }
            }
        }
        var values = new double[n];
        for (int i = 0; i < n; i++)
        {
            values[i] = a[i * n + i];
        }
        return (values, v);
    }

    private static double OffDiagonal(double[] a, int n)
    {
        double sum = 0;
        for (int i = 0; i < n; i++)
        {
            var row = a.AsSpan(i * n, n);
            sum += Dense.Dot(row, row) - row[i] * row[i];
        }
        return sum;
    }

    private static void Rotate(double[] a, double[] v, int n, int p, int q)
    {
        double apq = a[p * n + q];
        if (Math.Abs(apq) < 1e-300)
        {
            return;
        }
        double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        double t = Math.CopySign(1, theta) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1));
        double c = 1 / Math.Sqrt(t * t + 1);
        double s = t * c;
        Turn(a.AsSpan(p * n, n), a.AsSpan(q * n, n), c, s);
        for (int k = 0; k < n; k++)
        {
            double x = a[k * n + p], y = a[k * n + q];
            a[k * n + p] = c * x - s * y;
            a[k * n + q] = s * x + c * y;
        }
        Turn(v.AsSpan(p * n, n), v.AsSpan(q * n, n), c, s);
    }

    private static void Turn(Span<double> p, Span<double> q, double c, double s)
    {
        for (int k = 0; k < p.Length; k++)
        {
            double x = p[k], y = q[k];
            p[k] = c * x - s * y;
            q[k] = s * x + c * y;
        }
    }
}

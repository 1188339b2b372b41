namespace PeftCore.Peft.Numerics;

/// <summary>Low-rank factors of a matrix in double precision, for initialisations and conversions. Row-major throughout.</summary>
internal static class Factorization
{
    /// <summary>Up to this size the whole spectrum is found; beyond it, only the leading part, by iteration.</summary>
    private const int DenseLimit = 640;

    private const int Oversampling = 10;
    private const int MaxIterations = 300;

    /// <summary>The r largest singular values and vectors: W ≈ U·diag(S)·V.</summary>
    /// <param name="w">(m, n)</param>
    /// <param name="m">Rows.</param>
    /// <param name="n">Columns.</param>
    /// <param name="r">How many.</param>
    /// <returns>U (m, r), S (r), V (r, n)</returns>
    public static (double[] U, double[] S, double[] V) TruncatedSvd(double[] w, int m, int n, int r)
    {
        if (m > n)
        {
            var (u, s, v) = TruncatedSvd(Dense.Transpose(w, m, n), n, m, r);
            return (Dense.Transpose(v, r, m), s, Dense.Transpose(u, n, r));
        }
        // m ≤ n: the left vectors are eigenvectors of W·Wᵀ.
        double[] basis = m <= DenseLimit ? DenseBasis(w, m, n, r) : IteratedBasis(w, m, n, r); // (r, m), rows orthonormal
        double[] projected = Dense.Multiply(basis, w, r, m, n); // diag(S)·V
        var values = new double[r];
        for (int i = 0; i < r; i++)
        {
            var row = projected.AsSpan(i * n, n);
            values[i] = Math.Sqrt(Dense.Dot(row, row));
            double inverse = values[i] > 0 ? 1 / values[i] : 0;
            foreach (ref double x in row)
            {
                x *= inverse;
            }
        }
        return (Dense.Transpose(basis, r, m), values, projected);
    }

    /// <summary>The first r columns of Q and the first r rows of R of W = Q·R.</summary>
    /// <returns>Q (m, r), R (r, n)</returns>
    public static (double[] Q, double[] R) TruncatedQr(double[] w, int m, int n, int r)
    {
        var columns = new double[r * m]; // transposed: one row a column of W
        for (int i = 0; i < r; i++)
        {
            for (int k = 0; k < m; k++)
            {
                columns[i * m + k] = w[k * n + i];
            }
        }
        Dense.Orthonormalize(columns, r, m);
        return (Dense.Transpose(columns, r, m), Dense.Multiply(columns, w, r, m, n));
    }

    private static double[] DenseBasis(double[] w, int m, int n, int r)
    {
        double[] gram = Dense.MultiplyTransposed(w, w, m, n, m);
        var (values, vectors) = SymmetricEigen.Solve(gram, m); // vectors as rows
        var order = Enumerable.Range(0, m).OrderByDescending(i => values[i]).Take(r).ToArray();
        var basis = new double[r * m];
        for (int i = 0; i < r; i++)
        {
            vectors.AsSpan(order[i] * m, m).CopyTo(basis.AsSpan(i * m));
        }
        return basis;
    }

    /// <summary>Subspace iteration with oversampling (Halko, Martinsson and Tropp 2011), until the leading values settle.</summary>
    private static double[] IteratedBasis(double[] w, int m, int n, int r)
    {
        int k = Math.Min(m, r + Oversampling);
        var random = new Random(12345);
        var q = new double[k * m];
        foreach (ref double x in q.AsSpan())
        {
            x = random.NextDouble() - 0.5;
        }
        Dense.Orthonormalize(q, k, m);
        double[] before = [];
        for (int iteration = 0; iteration < MaxIterations; iteration++)
        {
            double[] y = Dense.Multiply(q, w, k, m, n); // (k, n)
            double[] small = Dense.MultiplyTransposed(y, y, k, n, k);
            var (values, vectors) = SymmetricEigen.Solve(small, k);
            var order = Enumerable.Range(0, k).OrderByDescending(i => values[i]).ToArray();
            var rotation = new double[k * k];
            for (int i = 0; i < k; i++)
            {
                vectors.AsSpan(order[i] * k, k).CopyTo(rotation.AsSpan(i * k));
            }
            q = Dense.Multiply(rotation, q, k, k, m);
            double[] leading = [.. order.Take(r).Select(i => values[i])];
            if (before.Length > 0 && leading.Zip(before).All(pair => Math.Abs(pair.First - pair.Second) <= 1e-12 * leading[0]))
            {
                break;
            }
            before = leading;
            y = Dense.Multiply(rotation, y, k, k, n);
            q = Dense.MultiplyTransposed(y, w, k, n, m); // (W·Wᵀ·qᵀ)ᵀ
            Dense.Orthonormalize(q, k, m);
        }
        return q[..(r * m)];
    }
}

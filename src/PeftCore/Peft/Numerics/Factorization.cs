namespace PeftCore.Peft.Numerics;

/// <summary>Low-rank factors of a matrix in double precision, for initialisations and conversions. Row-major throughout.</summary>
internal static class Factorization
{
    /// <summary>Up to this size the whole spectrum is computed; above it only the leading part, if r is below min(m, n)/3.</summary>
    private const int DenseLimit = 320;

    private const int DenseRatio = 3;

    /// <summary>Singular values below this fraction of the largest are rounding errors of F32 weights, and are returned as zero.</summary>
    private const double Noise = 1e-9;

    /// <summary>The r largest singular values and vectors: W ≈ U·diag(S)·V. Where a singular value is zero, so are its vectors.</summary>
    /// <param name="w">(m, n)</param>
    /// <param name="m">Rows.</param>
    /// <param name="n">Columns.</param>
    /// <param name="r">Number of singular values.</param>
    /// <returns>U (m, r), S (r), V (r, n)</returns>
    public static (double[] U, double[] S, double[] V) TruncatedSvd(double[] w, int m, int n, int r)
    {
        if (Math.Min(m, n) > DenseLimit && DenseRatio * r < Math.Min(m, n))
        {
            return FromBasis(LeadingBasis.Find(w, m, n, r), w, m, n, r);
        }
        if (m > n)
        {
            var (u, s, v) = TruncatedSvd(Dense.Transpose(w, m, n), n, m, r);
            return (Dense.Transpose(v, r, m), s, Dense.Transpose(u, n, r));
        }
        // m ≤ n: the left vectors are eigenvectors of W·Wᵀ.
        var (_, vectors) = SymmetricEigen.Solve(Dense.MultiplyTransposed(w, w, m, n, m), m);
        return FromBasis(vectors[..(r * m)], w, m, n, r);
    }

    /// <summary>The first r columns of Q and the first r rows of R of W = Q·R.</summary>
    /// <returns>Q (m, r), R (r, n)</returns>
    public static (double[] Q, double[] R) TruncatedQr(double[] w, int m, int n, int r)
    {
        double[] columns = new double[r * m]; // transposed: one row a column of W
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

    /// <summary>Singular values and right vectors for given left vectors, the rows of basis: diag(S)·V = Uᵀ·W.</summary>
    private static (double[] U, double[] S, double[] V) FromBasis(double[] basis, double[] w, int m, int n, int r)
    {
        double[] v = Dense.Multiply(basis, w, r, m, n); // diag(S)·V
        double[] values = new double[r];
        for (int i = 0; i < r; i++)
        {
            var row = v.AsSpan(i * n, n);
            values[i] = Dense.Norm(row);
            if (values[i] <= Noise * values[0])
            {
                values[i] = 0;
                row.Clear();
                basis.AsSpan(i * m, m).Clear();
            }
            else
            {
                System.Numerics.Tensors.TensorPrimitives.Divide(row, values[i], row);
            }
        }
        return (Dense.Transpose(basis, r, m), values, v);
    }
}

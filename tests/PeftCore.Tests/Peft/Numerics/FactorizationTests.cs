using PeftCore.Peft.Numerics;

namespace PeftCore.Tests.Peft;

public sealed class FactorizationTests
{
    [TestCase(1, 1)]
    [TestCase(1, 7)]
    [TestCase(7, 1)]
    [TestCase(2, 2)]
    [TestCase(13, 13)]
    [TestCase(24, 31)]
    [TestCase(31, 24)]
    public void All_singular_vectors_rebuild_the_matrix(int m, int n)
    {
        double[] w = Gaussian(m * n);
        int r = Math.Min(m, n);
        var (u, s, v) = Factorization.TruncatedSvd(w, m, n, r);
        Assert.That(Distance(Product(u, s, v, m, n), w), Is.LessThan(1e-12 * Norm(w)));
        AssertOrthonormal(Dense.Transpose(u, m, r), r, m);
        AssertOrthonormal(v, r, n);
        Assert.That(s, Is.Ordered.Descending);
    }

    [TestCase(40, 60, 5)]
    [TestCase(330, 400, 120, Description = "most of a spectrum is found densely")]
    [TestCase(400, 500, 12, Description = "the leading part of a large one by iteration")]
    [TestCase(900, 340, 8)]
    [TestCase(700, 700, 40)]
    public void A_truncated_svd_finds_chosen_singular_values_and_their_product(int m, int n, int r)
    {
        // W = Q₁·diag(σ)·Q₂ with a spectrum that falls slowly, so that the last wanted value is close to the first unwanted.
        int rank = Math.Min(2 * r, Math.Min(m, n));
        double[] left = Orthonormal(rank, m, 1), right = Orthonormal(rank, n, 2);
        double[] sigma = [.. Enumerable.Range(0, rank).Select(i => 3.0 / (1 + 0.1 * i))];
        double[] w = Product(Dense.Transpose(left, rank, m), sigma, right, m, n);
        double[] best = Product(Dense.Transpose(left[..(r * m)], r, m), sigma[..r], right[..(r * n)], m, n);

        var (u, s, v) = Factorization.TruncatedSvd(w, m, n, r);
        Assert.That(s, Is.EqualTo(sigma[..r]).Within(1e-10));
        Assert.That(Distance(Product(u, s, v, m, n), best), Is.LessThan(1e-8 * Norm(best)));
        AssertOrthonormal(Dense.Transpose(u, m, r), r, m);
        AssertOrthonormal(v, r, n);
    }

    [TestCase(20, 30)]
    [TestCase(330, 350)]
    public void Equal_singular_values_give_some_orthonormal_vectors_of_their_space(int m, int n)
    {
        double[] sigma = [2, 2, 2, 2, 2, 2, 1, 1];
        double[] left = Orthonormal(8, m, 3), right = Orthonormal(8, n, 4);
        double[] w = Product(Dense.Transpose(left, 8, m), sigma, right, m, n);
        var (u, s, v) = Factorization.TruncatedSvd(w, m, n, 6);
        Assert.That(s, Is.All.EqualTo(2).Within(1e-10));
        Assert.That(Distance(Product(u, s, v, m, n), Product(Dense.Transpose(left[..(6 * m)], 6, m), sigma[..6], right[..(6 * n)], m, n)),
            Is.LessThan(1e-8));
    }

    [TestCase(24, 20, 9, 3)]
    [TestCase(400, 380, 20, 5)]
    public void A_matrix_of_lower_rank_has_zeros_beyond_it(int m, int n, int r, int rank)
    {
        double[] w = Dense.Multiply(Gaussian(m * rank, 5), Gaussian(rank * n, 6), m, rank, n);
        var (u, s, v) = Factorization.TruncatedSvd(w, m, n, r);
        Assert.That(s[..rank], Is.All.GreaterThan(0.1));
        Assert.That(s[rank..], Is.All.Zero);
        Assert.That(v[(rank * n)..], Is.All.Zero);
        Assert.That(Distance(Product(u, s, v, m, n), w), Is.LessThan(1e-9 * Norm(w)));
    }

    [TestCase(5, 8)]
    [TestCase(350, 330)]
    public void A_zero_matrix_has_zero_singular_values(int m, int n)
    {
        var (u, s, v) = Factorization.TruncatedSvd(new double[m * n], m, n, 4);
        Assert.That(s, Is.All.Zero);
        Assert.That(u.Concat(v), Is.All.Zero);
    }

    [Test]
    public void The_identity_is_its_own_factors_at_any_size([Values(6, 512)] int n)
    {
        double[] w = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            w[i * (n + 1)] = 1;
        }
        var (u, s, v) = Factorization.TruncatedSvd(w, n, n, 3);
        Assert.That(s, Is.All.EqualTo(1).Within(1e-12));
        AssertOrthonormal(v, 3, n);
        AssertOrthonormal(Dense.Transpose(u, n, 3), 3, n);
    }

    [TestCase(12, 9, 9)]
    [TestCase(9, 12, 9)]
    [TestCase(300, 200, 16)]
    public void A_truncated_qr_keeps_the_leading_columns(int m, int n, int r)
    {
        double[] w = Gaussian(m * n);
        var (q, rows) = Factorization.TruncatedQr(w, m, n, r);
        AssertOrthonormal(Dense.Transpose(q, m, r), r, m);
        double[] product = Dense.Multiply(q, rows, m, r, n);
        for (int i = 0; i < m; i++)
        {
            Assert.That(product.AsSpan(i * n, r).ToArray(), Is.EqualTo(w.AsSpan(i * n, r).ToArray()).Within(1e-12));
        }
        for (int i = 1; i < r; i++)
        {
            Assert.That(rows.AsSpan(i * n, i).ToArray(), Is.All.EqualTo(0).Within(1e-12), "R is triangular");
        }
    }

    [Test]
    public void Dependent_columns_give_an_orthonormal_q_all_the_same()
    {
        const int M = 10, N = 6;
        double[] w = Gaussian(M * N);
        for (int i = 0; i < M; i++)
        {
            w[i * N + 1] = 2 * w[i * N];
            w[i * N + 2] = 0;
        }
        var (q, rows) = Factorization.TruncatedQr(w, M, N, N);
        AssertOrthonormal(Dense.Transpose(q, M, N), N, M);
        Assert.That(Distance(Dense.Multiply(q, rows, M, N, N), w), Is.LessThan(1e-12 * Norm(w)));
    }

    [Test]
    public void Eigenvectors_rebuild_a_symmetric_matrix([Values(1, 2, 3, 17, 64)] int n)
    {
        double[] half = Gaussian(n * n);
        double[] a = new double[n * n];
        for (int i = 0; i < n * n; i++)
        {
            a[i] = half[i] + half[i % n * n + i / n];
        }
        var (values, vectors) = SymmetricEigen.Solve([.. a], n);
        AssertOrthonormal(vectors, n, n);
        Assert.That(values, Is.Ordered.Descending);
        Assert.That(Distance(Product(Dense.Transpose(vectors, n, n), values, vectors, n, n), a), Is.LessThan(1e-12 * Norm(a)));
    }

    [Test]
    public void A_matrix_that_is_not_finite_is_refused() =>
        Assert.That(() => Factorization.TruncatedSvd([1, double.NaN, 2, 3], 2, 2, 1), Throws.ArgumentException);

    private static double[] Gaussian(int count, int seed = 7)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) *
            Math.Cos(2 * Math.PI * random.NextDouble()))];
    }

    private static double[] Orthonormal(int rows, int columns, int seed)
    {
        double[] a = Gaussian(rows * columns, seed);
        Dense.Orthonormalize(a, rows, columns);
        return a;
    }

    private static double[] Product(double[] u, double[] s, double[] v, int m, int n)
    {
        int r = s.Length;
        double[] scaled = new double[r * n];
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] = s[i / n] * v[i];
        }
        return Dense.Multiply(u, scaled, m, r, n);
    }

    private static void AssertOrthonormal(double[] rows, int count, int columns)
    {
        double[] gram = Dense.MultiplyTransposed(rows, rows, count, columns, count);
        for (int i = 0; i < count; i++)
        {
            gram[i * (count + 1)] -= 1;
        }
        Assert.That(gram.Max(Math.Abs), Is.LessThan(1e-9));
    }

    private static double Norm(double[] a) => Dense.Norm(a);

    private static double Distance(double[] a, double[] b) =>
        Math.Sqrt(a.Zip(b).Sum(pair => (pair.First - pair.Second) * (pair.First - pair.Second)));
}

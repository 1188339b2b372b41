using System.Numerics.Tensors;

namespace PeftCore.Peft.Numerics;

/// <summary>Small dense products in double precision.</summary>
internal static class Dense
{
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b) => TensorPrimitives.Dot(a, b);

    public static double[] Transpose(double[] a, int rows, int columns)
    {
        var t = new double[a.Length];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                t[j * rows + i] = a[i * columns + j];
            }
        }
        return t;
    }

    /// <summary>A (m, k) · B (k, n).</summary>
    public static double[] Multiply(double[] a, double[] b, int m, int k, int n)
    {
        var c = new double[m * n];
        Parallel.For(0, m, i =>
        {
            var row = c.AsSpan(i * n, n);
            for (int p = 0; p < k; p++)
            {
                TensorPrimitives.MultiplyAdd(b.AsSpan(p * n, n), a[i * k + p], row, row);
            }
        });
        return c;
    }

    /// <summary>A (m, k) · Bᵀ with B (n, k).</summary>
    public static double[] MultiplyTransposed(double[] a, double[] b, int m, int k, int n)
    {
        var c = new double[m * n];
        Parallel.For(0, m, i =>
        {
            for (int j = 0; j < n; j++)
            {
                c[i * n + j] = Dot(a.AsSpan(i * k, k), b.AsSpan(j * k, k));
            }
        });
        return c;
    }

    /// <summary>Makes rows orthonormal in their order (Gram–Schmidt, twice, which is enough: Giraud et al. 2005).</summary>
    public static void Orthonormalize(double[] a, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            var row = a.AsSpan(i * columns, columns);
            for (int pass = 0; pass < 2; pass++)
            {
                for (int j = 0; j < i; j++)
                {
                    var other = a.AsSpan(j * columns, columns);
                    TensorPrimitives.MultiplyAdd(other, -Dot(row, other), row, row);
                }
            }
            double length = Math.Sqrt(Dot(row, row));
            TensorPrimitives.Multiply(row, length > 0 ? 1 / length : 0, row);
        }
    }
}
